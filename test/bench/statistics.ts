/** Figures of one thing measured several times. */
export interface Summary {
  runs: number;
  median: number;
  /** The nearest rank: a value that really occurred. */
  p95: number;
  least: number;
  most: number;
}

/** Throws when there is nothing to sum up. */
export function summarise(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const least = sorted[0];
  const most = sorted.at(-1);
  if (least === undefined || most === undefined) throw new Error('nothing was measured');
  const middle = (sorted.length - 1) / 2;
  const low = sorted[Math.floor(middle)] ?? least;
  const high = sorted[Math.ceil(middle)] ?? most;
  const p95 = sorted[Math.ceil(0.95 * sorted.length) - 1] ?? most;
  return { runs: sorted.length, median: (low + high) / 2, p95, least, most };
}

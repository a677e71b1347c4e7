/** `start` belongs to the range, `end` does not. */
export interface Range {
  start: number;
  end: number;
}

/** A set of integers kept as sorted ranges that neither overlap nor touch. */
export class RangeSet {
  #ranges: Range[] = [];

  /** In ascending order; not to be changed by the caller. */
  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  has(value: number): boolean {
    return this.#ranges.some((range) => range.start <= value && value < range.end);
  }

  add(start: number, end: number): void {
    if (start >= end) return;
    const merged = { start, end };
    const before: Range[] = [];
    const after: Range[] = [];
    for (const range of this.#ranges) {
      if (range.end < merged.start) before.push(range);
      else if (range.start > merged.end) after.push(range);
      else {
        merged.start = Math.min(merged.start, range.start);
        merged.end = Math.max(merged.end, range.end);
      }
    }
    this.#ranges = [...before, merged, ...after];
  }

  remove(start: number, end: number): void {
    if (start >= end) return;
    this.#ranges = this.#ranges.flatMap((range) => {
      if (range.end <= start || range.start >= end) return [range];
      const left = { start: range.start, end: start };
      const right = { start: end, end: range.end };
      return [left, right].filter((part) => part.start < part.end);
    });
  }

  /** The parts of [start, end) that are not in the set. */
  missing(start: number, end: number): Range[] {
    const gaps: Range[] = [];
    let position = start;
    for (const range of this.#ranges) {
      if (range.end <= position) continue;
      if (range.start >= end) break;
      if (range.start > position) gaps.push({ start: position, end: range.start });
      position = range.end;
    }
    if (position < end) gaps.push({ start: position, end });
    return gaps;
  }

  /** Keeps at most `count` ranges by filling the lowest gaps: what is below counts as present. */
  limit(count: number): void {
    while (this.#ranges.length > count) {
      const [first, second] = this.#ranges;
      if (!first || !second) return;
      this.#ranges.splice(0, 2, { start: first.start, end: second.end });
    }
  }
}

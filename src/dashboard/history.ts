import { type ComponentRow, isContainer } from '../device/readings/component-rows.ts';
import { type ChartColor, chartColors } from './text.ts';

/** Readings that a chart shows: two minutes on a fast line. */
const most = 120;

export interface Sample {
  /** Host clock, milliseconds. */
  at: number;
  usage: ReadonlyMap<string, { cpuPercent: number; memoryBytes: number }>;
}

/** One line of a chart: a system container. */
export interface Series {
  name: string;
  color: ChartColor;
  /** As many as there are samples; 0 while it did not run. */
  cpuPercent: number[];
  memoryBytes: number[];
}

/** The samples with a new one; the oldest go. A first reading has no CPU share yet and makes no sample. */
export function addSample(samples: readonly Sample[], rows: readonly ComponentRow[], at: number): Sample[] {
  if (!rows.some((row) => row.cpuPercent !== undefined)) return [...samples];
  const usage = new Map(
    rows
      .filter(isContainer)
      .map(({ name, cpuPercent = 0, memoryBytes = 0 }) => [name, { cpuPercent, memoryBytes }] as const),
  );
  return [...samples.slice(1 - most), { at, usage }];
}

/** Chooses what the charts show; a container keeps its colour as long as it is shown. */
export class SeriesChooser {
  private colors = new Map<string, ChartColor>();

  /** At most `limit` series (at most as many as there are colours), those that used most, in the order of the rows. */
  choose(samples: readonly Sample[], rows: readonly ComponentRow[], limit: number): Series[] {
    const all = rows.filter(isContainer).map(({ name }) => ({
      name,
      cpuPercent: samples.map((sample) => sample.usage.get(name)?.cpuPercent ?? 0),
      memoryBytes: samples.map((sample) => sample.usage.get(name)?.memoryBytes ?? 0),
    }));
    const cpu = Math.max(1e-9, ...all.map((each) => sum(each.cpuPercent)));
    const memory = Math.max(1e-9, ...all.map((each) => sum(each.memoryBytes)));
    const weight = (each: (typeof all)[number]) => sum(each.cpuPercent) / cpu + sum(each.memoryBytes) / memory;
    const chosen = new Set(
      all.toSorted((a, b) => weight(b) - weight(a)).slice(0, Math.max(0, Math.min(limit, chartColors.length))),
    );
    const shown = all.filter((each) => chosen.has(each));
    this.keepColors(shown.map(({ name }) => name));
    return shown.map((each) => ({ ...each, color: this.colors.get(each.name) ?? chartColors[0] }));
  }

  private keepColors(names: string[]): void {
    const kept = new Map([...this.colors].filter(([name]) => names.includes(name)));
    for (const name of names) {
      if (kept.has(name)) continue;
      const used = new Set(kept.values());
      kept.set(name, chartColors.find((color) => !used.has(color)) ?? chartColors[0]);
    }
    this.colors = kept;
  }
}

/** A round number a little above all values, at least 5: for up to five labels, all whole numbers. */
export function roundMax(values: readonly number[]): number {
  const max = 1.1 * Math.max(0, ...values);
  for (let unit = 5; ; unit *= 10) {
    for (const factor of [1, 2, 4, 6, 8]) if (max <= unit * factor) return unit * factor;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}

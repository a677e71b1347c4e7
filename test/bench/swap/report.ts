import type { LoadReport } from '../../support/load.ts';
import type { GapResults } from './gap.ts';
import type { StrategyResult } from './strategies.ts';

export interface SwapResults {
  /** A text says what this machine lacks. */
  strategies: StrategyResult[] | string;
  gaps: GapResults | string;
}

/** The sections of docs/benchmarks.md on swaps. `table` makes Markdown's. */
export function swapSections(
  { strategies, gaps }: SwapResults,
  table: (head: string[], rows: string[][]) => string,
): string[] {
  return [
    '## A swap under load',
    ...(typeof strategies === 'string' ? [strategies] : strategySections(strategies, table)),
    '## The gap of a swap, against others',
    ...(typeof gaps === 'string' ? [gaps] : gapSections(gaps, table)),
  ];
}

function strategySections(results: StrategyResult[], table: (head: string[], rows: string[][]) => string): string[] {
  const rows = results.map(({ strategy, load, report }) => [
    strategy,
    load,
    String(report.sent),
    String(failures(report)),
    describe(report),
    milliseconds(report.longestGapMs),
    milliseconds(report.slowestMs),
  ]);
  return [
    `\`gantry swap web IMAGE\` there and back, ${results[0]?.swaps} swaps for each row, natively on this machine’s kernel while requests for the page come from inside the device’s network. Failed: refused, reset, closed without an answer, late by 10 s, or not 200. Gap: the longest time between two answers, in milliseconds. A request that finds its kept connection closed and is sent again, as browsers do, has not failed; it is counted as repeated.`,
    table(['strategy', 'load', 'requests', 'failed', '', 'longest gap', 'slowest answer'], rows),
  ];
}

function gapSections(
  { gaps: results, missing }: GapResults,
  table: (head: string[], rows: string[][]) => string,
): string[] {
  const floor = results.find(({ name }) => name.startsWith('crun'))?.gap.median;
  const rows = results.map(({ name, gap }) => [
    name,
    ...[gap.median, gap.p95, gap.least, gap.most].map(milliseconds),
    floor === undefined ? '' : (gap.median / floor).toFixed(2),
  ]);
  return [
    `Milliseconds from the last answer of the old web server to the first answer of the new one, asked by one client with a new connection each time. The same two images (nginx, which opens its port itself), each engine natively on this machine’s kernel in namespaces of its own, in turns, ${results[0]?.gap.runs} each, after one that does not count. Gantry and the floor make the new container while the old one serves; Docker and podman are told to stop, rm and run, in that order. The floor is what nobody can do without: a shell that sends nginx its SIGQUIT, looks every half millisecond whether that process has ended, and runs \`crun start\`; no conmon, no log, no supervisor, nothing written down, the old container deleted afterwards.`,
    table(['', 'median', 'p95', 'least', 'most', 'of the floor'], rows),
    ...missing,
  ];
}

const failures = ({ failed }: LoadReport) => Object.values(failed).reduce((sum, count) => sum + count, 0);

function describe({ failed, repeated }: LoadReport): string {
  const words = Object.entries(failed).map(([kind, count]) => `${count} ${kind}`);
  return [...words, ...(repeated > 0 ? [`${repeated} repeated`] : [])].join(', ');
}

const milliseconds = (ms: number) => ms.toFixed(0);

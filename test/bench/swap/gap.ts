import type { Say } from '../../e2e/support/compose.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { type Summary, summarise } from '../statistics.ts';
import { bareCrun, docker, gantry, podman, type Rival } from './rivals.ts';
import { buildTestImages } from './strategies.ts';
import { underLoad } from './under-load.ts';

/** How often each changes its container. */
const swaps = 15;

export interface GapResults {
  gaps: GapResult[];
  /** A sentence on each that this machine could not run. */
  missing: string[];
}

export interface GapResult {
  name: string;
  /** Milliseconds from the last answer of the old container to the first answer of the new one. */
  gap: Summary;
}

/** Puts one web server in the place of another in four ways on this machine, in turns, the first one being Gantry's. */
export async function measureGaps(atEnd: AtEnd, say: Say): Promise<GapResults | string> {
  if (process.getuid?.() !== 0) return 'Not measured: container engines need root. Run `npm run bench` as root.';
  await buildTestImages(say);
  const rivals: Rival[] = [];
  const missing: string[] = [];
  for (const begin of [gantry, bareCrun, docker, podman]) {
    await begin(atEnd, say).then(
      (rival) => rivals.push(rival),
      (error: Error) => missing.push(`Not measured: ${begin.name}, because of "${error.message.trim()}".`),
    );
  }
  const gaps = new Map<Rival, number[]>(rivals.map((rival) => [rival, []]));
  say(`the gap of a swap: ${swaps} times each, in turns`);
  // The first of each is not counted.
  for (let swap = 0; swap <= swaps; swap++) {
    for (const rival of swap % 2 === 0 ? rivals : rivals.toReversed()) {
      const report = await underLoad(
        rival.pid,
        { connections: 'fresh', clients: 1 },
        () => rival.swap(swap % 2 === 0 ? 1 : 0),
        atEnd,
      );
      if (report.changeGapMs === undefined) throw new Error(`${rival.name}: the page did not change`);
      if (swap > 0) gaps.get(rival)?.push(report.changeGapMs);
    }
  }
  for (const rival of rivals) await rival.stop();
  return { gaps: rivals.map((rival) => ({ name: rival.name, gap: summarise(gaps.get(rival) ?? []) })), missing };
}

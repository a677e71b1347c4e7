import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Arch } from '../../src/shared/oci/types.ts';
import { sayWithTime } from '../e2e/support/compose.ts';
import { root, testEnvironment } from '../e2e/support/paths.ts';
import { AtEnd } from '../support/at-end.ts';
import { type Booted, measureBoots } from './boot.ts';
import { putChapter } from './chapter.ts';
import { type Composed, measureComposing } from './compose.ts';
import { measureDelta } from './delta/measure.ts';
import { deltaSections } from './delta/report.ts';
import { measureDevOnMachine } from './dev/on-machine.ts';
import { devSections } from './dev/report.ts';
import { measureHundred } from './hundred/measure.ts';
import { measureLine } from './line/measure.ts';
import { lineSections } from './line/report.ts';
import { machineFacts } from './machine-facts.ts';
import { report } from './report.ts';
import { compareRestarts } from './restart/compare.ts';
import { measureGaps } from './swap/gap.ts';
import { measureStrategies } from './swap/strategies.ts';

/**
 * `npm run bench`: measures, and writes docs/benchmarks.md when everything has been measured. `npm run bench -- line`: the
 * serial link alone, whose sections it replaces; `-- delta`: likewise what travels when a layer changes; `-- delta SET...`: some
 * sets of it, printed; `-- dev`: those on saves under `gantry dev`.
 */
Object.assign(process.env, testEnvironment);
const arches: Arch[] = ['amd64', 'arm64'];
const path = join(root, 'docs/benchmarks.md');
const say = sayWithTime();
const atEnd = new AtEnd();
const alone: Record<string, (() => Promise<string[]>) | undefined> = {
  line: async () => lineSections(await measureLine(atEnd, say)),
  delta: async () => deltaSections(await measureDelta(say)),
  dev: async () => devSections(await measureDevOnMachine(atEnd, say)),
};
const [asked = '', ...only] = process.argv.slice(2);
if (asked === 'delta' && only.length > 0) {
  process.stdout.write(`${deltaSections(await measureDelta(say, only)).join('\n\n')}\n`);
  process.exit();
}
const chapter = alone[asked];
if (chapter) {
  const [date, load] = [machineFacts()[0], machineFacts().at(-1)].map((fact) => fact?.[1]);
  try {
    const [heading = '', ...sections] = await chapter();
    const when = `Measured by itself on ${date}; load before the start ${load}.`;
    replace(putChapter(readFileSync(path, 'utf8'), [heading, when, ...sections]));
  } finally {
    await atEnd.run();
  }
  process.exit();
}
try {
  const facts = machineFacts();
  const composed: Composed[] = [];
  for (const arch of arches) composed.push(await measureComposing(arch, atEnd, say));
  const restarts = await compareRestarts(atEnd, say);
  const hundred = await measureHundred(atEnd, say);
  const swaps = { strategies: await measureStrategies(atEnd, say), gaps: await measureGaps(atEnd, say) };
  const line = await measureLine(atEnd, say);
  const delta = await measureDelta(say);
  const dev = await measureDevOnMachine(atEnd, say);
  const booted: Booted[] = [];
  for (const arch of arches) booted.push(await measureBoots(arch, atEnd, say));
  replace(report({ facts, composed, booted, restarts, hundred, swaps, line, delta, dev }));
} finally {
  await atEnd.run();
}

function replace(text: string): void {
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
  say(`wrote ${path}`);
}

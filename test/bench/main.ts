import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Arch } from '../../src/shared/oci/types.ts';
import { sayWithTime } from '../e2e/support/compose.ts';
import { root, testEnvironment } from '../e2e/support/paths.ts';
import { AtEnd } from '../support/at-end.ts';
import { type Booted, measureBoots } from './boot.ts';
import { type Composed, measureComposing } from './compose.ts';
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
 * serial link alone, printed; `-- dev`: saves under `gantry dev` alone.
 */
Object.assign(process.env, testEnvironment);
const arches: Arch[] = ['amd64', 'arm64'];
const path = join(root, 'docs/benchmarks.md');
const say = sayWithTime();
const atEnd = new AtEnd();
const alone: Record<string, () => Promise<string[]>> = {
  line: async () => lineSections(await measureLine(atEnd, say)),
  dev: async () => devSections(await measureDevOnMachine(atEnd, say)),
};
const one = alone[process.argv[2] ?? ''];
if (one) {
  try {
    process.stdout.write(`${(await one()).join('\n\n')}\n`);
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
  const dev = await measureDevOnMachine(atEnd, say);
  const booted: Booted[] = [];
  for (const arch of arches) booted.push(await measureBoots(arch, atEnd, say));
  const temporary = `${path}.part`;
  writeFileSync(temporary, report({ facts, composed, booted, restarts, hundred, swaps, line, dev }));
  renameSync(temporary, path);
  say(`wrote ${path}`);
} finally {
  await atEnd.run();
}

import { createHash } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { messageOf } from '../../../src/shared/message-of.ts';
import { root } from '../../e2e/support/paths.ts';
import { emptyFolder, type Rival, rivals, whyNot } from './rivals.ts';
import { makeSet, type Pair, sets } from './sets.ts';
import { timed, whyNoTime } from './timed.ts';

/** One way of bringing the new layer to a device that has the old one. */
export interface DeltaWay {
  name: string;
  bytes: number;
  /** Seconds of processor time. */
  hostCpu: number;
  deviceCpu: number;
  /** Bytes. */
  devicePeak: number;
}

export interface DeltaSet {
  pair: Pair;
  aim?: number;
  gantry: DeltaWay;
  rivals: DeltaWay[];
}

export interface DeltaMeasured {
  sets: DeltaSet[];
  /** Memory of a process of the same kind that applies nothing, bytes. */
  barePeak: number;
  /** Rivals and sets that could not be measured, and why. */
  missing: string[];
}

const applied = z.object({ digest: z.string(), cpu: z.number(), peak: z.number() });
const made = z.object({ size: z.number(), operations: z.number(), cpu: z.number(), peak: z.number() });

/** Every set, or those that are named, in every way: some ten minutes of processor time, most of them for Node. */
export async function measureDelta(
  say: (text: string) => void,
  only: readonly string[] = sets.map(({ name }) => name),
): Promise<DeltaMeasured | string> {
  const noTime = whyNoTime();
  if (noTime !== undefined) return noTime;
  const folder = join(root, 'build/bench/delta/work');
  const program = await bundled(folder);
  const present = rivals.filter((rival) => whyNot(rival) === undefined);
  const missing = rivals.flatMap((rival) => whyNot(rival) ?? []);
  const results: DeltaSet[] = [];
  for (const set of sets.filter(({ name }) => only.includes(name))) {
    const pair = await makeSet(set).catch((error: unknown) => messageOf(error));
    if (typeof pair === 'string') {
      missing.push(`The set ${set.name}: ${pair}`);
      continue;
    }
    say(`delta: ${set.name}: ${pair.words}`);
    const wanted = await digestOf(pair.fresh);
    const gantry = await measureGantry(pair, program, emptyFolder(join(folder, 'gantry')), wanted);
    say(`delta: ${set.name}: Gantry: ${gantry.bytes} bytes`);
    const others: DeltaWay[] = [];
    for (const rival of present) {
      const way = await measureRival(rival, pair, emptyFolder(join(folder, 'rival')), wanted);
      say(`delta: ${set.name}: ${rival.name}: ${way.bytes} bytes`);
      others.push(way);
    }
    results.push({ pair, aim: set.aim, gantry, rivals: others });
  }
  const barePeak = (await runApply(program, [])).peak;
  rmSync(folder, { recursive: true });
  return { sets: results, barePeak, missing };
}

/** As a device has it: one file, and Node started as there. */
async function bundled(folder: string): Promise<string> {
  const { build } = await import('esbuild');
  const outfile = join(emptyFolder(folder), 'apply.mjs');
  const entryPoints = [join(import.meta.dirname, 'apply-process.ts')];
  await build({
    entryPoints,
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify: true,
    logLevel: 'silent',
  });
  return outfile;
}

async function runApply(program: string, args: string[]): Promise<z.infer<typeof applied>> {
  const { stdout } = await timed(process.execPath, ['--max-semi-space-size=1', program, ...args]);
  return applied.parse(JSON.parse(stdout));
}

async function measureGantry(pair: Pair, program: string, folder: string, wanted: string): Promise<DeltaWay> {
  const [recipe, delta] = [join(folder, 'recipe'), join(folder, 'delta')];
  const maker = join(import.meta.dirname, 'make-process.ts');
  const { stdout } = await timed(process.execPath, [maker, pair.old, pair.fresh, recipe, delta]);
  const host = made.parse(JSON.parse(stdout));
  const device = await runApply(program, [pair.old, recipe, delta]);
  if (device.digest !== wanted) throw new Error(`another ${pair.name} was made`);
  return { name: 'Gantry', bytes: host.size, hostCpu: host.cpu, deviceCpu: device.cpu, devicePeak: device.peak };
}

async function measureRival(rival: Rival, pair: Pair, folder: string, wanted: string): Promise<DeltaWay> {
  const { bytes, taken } = await rival.make(pair, folder);
  const out = join(folder, 'out.tar');
  const onDevice = await rival.apply(pair, folder, out);
  if ((await digestOf(out)) !== wanted) throw new Error(`${rival.name} made another ${pair.name}`);
  return { name: rival.name, bytes, hostCpu: taken.cpu, deviceCpu: onDevice.cpu, devicePeak: onDevice.peak };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

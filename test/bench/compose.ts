import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ImageManifest, readImageManifest } from '../../src/compose/build-os.ts';
import type { Arch } from '../../src/shared/oci/types.ts';
import { composeDemo, composeWebs, type Say } from '../e2e/support/compose.ts';
import { work } from '../e2e/support/paths.ts';
import type { AtEnd } from '../support/at-end.ts';
import { type Summary, summarise } from './statistics.ts';

export interface Composed {
  arch: Arch;
  image: ImageManifest;
  /** Seconds. */
  assembly: Summary;
  reused: Summary;
}

const assemblies = 3;

/** An image of its own: tests that run meanwhile may compose theirs anew. */
export const benchImage = (arch: Arch) => join(work, `bench-${arch}`);

/** Composes the demo OS where the later measurements boot it, and into new folders for the time it takes. */
export async function measureComposing(arch: Arch, atEnd: AtEnd, say: Say): Promise<Composed> {
  // First without a clock: afterwards every package is here and every component is built.
  await composeDemo(arch, say, benchImage(arch));
  await composeWebs(arch, say);
  const folder = mkdtempSync(join(work, 'bench-'));
  const clear = atEnd.add(() => rmSync(folder, { recursive: true, force: true }));
  const assembly: number[] = [];
  const reused: number[] = [];
  for (let run = 0; run < assemblies; run++) {
    const out = join(folder, String(run));
    assembly.push(await secondsOf(() => composeDemo(arch, say, out)));
    reused.push(await secondsOf(() => composeDemo(arch, say, out)));
  }
  await clear();
  const image = await readImageManifest(benchImage(arch));
  return { arch, image, assembly: summarise(assembly), reused: summarise(reused) };
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

import type { Arch } from '../../src/shared/oci/types.ts';
import { composeDemo, composeWebs, sayWithTime } from './support/compose.ts';
import { testEnvironment } from './support/paths.ts';

export const arches: Arch[] = ['amd64', 'arm64'];

/** Composes what the tests boot: the demo OS and the web images to swap in, for both architectures. */
export default async function setup(): Promise<void> {
  Object.assign(process.env, testEnvironment);
  const say = sayWithTime();
  for (const arch of arches) {
    await composeDemo(arch, say);
    await composeWebs(arch, say);
  }
}

// Before two runs of tests that would both begin with it.
if (import.meta.main) await setup();

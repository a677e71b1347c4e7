/** `node scripts/build-program.ts`: bundles the program if its sources have changed. */
import { buildHost } from './build.ts';

const started = performance.now();
if ((await buildHost()).built)
  console.error(`Built the program (${((performance.now() - started) / 1000).toFixed(1)} s).`);

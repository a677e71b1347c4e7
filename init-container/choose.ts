import { startedWithout } from './start/choose.ts';

// For the plain shell (boot/gsh-plain), while no init container runs: `list`, or the revision to put in force.
process.exit(await startedWithout(process.argv[2] ?? ''));

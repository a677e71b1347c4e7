import fc from 'fast-check';

/**
 * Property tests look at new cases on a developer's machine, and at the same ones each time in CI: what lands must not
 * depend on luck. `GANTRY_SEED` repeats a run anywhere.
 */
const seed = process.env.GANTRY_SEED ?? (process.env.CI ? '20261122' : undefined);
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

import { defineConfig } from 'vitest/config';

/**
 * What tests print goes straight to their process's output. Vitest would carry each line to its main process and wait, and a
 * worker that ends with such a line on its way fails the run with every test passed (vitest-dev/vitest#11153).
 */
const disableConsoleIntercept = true;

/**
 * Unit tests stand beside what they test. Under test/, `native` runs devices on this machine's own kernel, in namespaces, which
 * needs root, and `e2e` boots images, two files at a time, because a machine that boots leaves another one time to wait. `npm test` runs
 * both side by side.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          disableConsoleIntercept,
          // By default one processor is left for others.
          maxWorkers: '100%',
          setupFiles: ['test/support/fast-check-seed.ts'],
          include: [
            'src/**/*.test.{ts,tsx}',
            'init-container/**/*.test.ts',
            'bin/**/*.test.ts',
            'scripts/**/*.test.ts',
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'native',
          disableConsoleIntercept,
          include: ['test/native/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          globalSetup: ['test/support/needs-root.ts', 'test/e2e/global-setup.ts'],
        },
      },
      {
        test: {
          name: 'e2e',
          disableConsoleIntercept,
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 900_000,
          maxWorkers: 2,
          globalSetup: ['test/e2e/global-setup.ts'],
        },
      },
    ],
  },
});

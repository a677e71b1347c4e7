// The end of `npm test`: what failed, again, because it stands far above by then, and the last line.
import { readFileSync } from 'node:fs';

/**
 * @typedef {import('./results-reporter.mjs').Failure} Failure
 * @typedef {import('./results-reporter.mjs').Results} Results
 */

/** What is printed again of one failure, in lines. */
const maxLines = 12;

/**
 * Results of one vitest run. A run that failed with no failure to show for it, and one that left no results, count as one
 * failure.
 * @param {Results | undefined} results `undefined`: vitest wrote none
 * @param {number} exitCode
 * @returns {Results}
 */
export function complete(results, exitCode) {
  if (results === undefined) {
    return { passed: 0, failures: [{ name: 'vitest', message: `ended with exit code ${exitCode} and no results` }] };
  }
  if (exitCode === 0 || results.failures.length > 0) return results;
  return {
    ...results,
    failures: [{ name: 'vitest', message: `ended with exit code ${exitCode}, and no test failed` }],
  };
}

/** @param {string} path @returns {Results | undefined} */
export function readResults(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * @param {Results[]} runs
 * @returns {string[]} lines; the last one is `N passed, N failed`
 */
export function summary(runs) {
  const failures = runs.flatMap((run) => run.failures);
  const passed = runs.reduce((count, run) => count + run.passed, 0);
  return [
    ...failures.flatMap(({ name, message }) => [
      '',
      `FAILED ${name}`,
      ...message
        .trimEnd()
        .split('\n')
        .slice(0, maxLines)
        .map((line) => `  ${line}`),
    ]),
    ...(failures.length > 0 ? [''] : []),
    `${passed} passed, ${failures.length} failed`,
  ];
}

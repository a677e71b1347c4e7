// The last line of `npm test`, from vitest's JSON results.
import { readFileSync } from 'node:fs';

/**
 * @typedef {{ status: string, assertionResults: { status: string }[] }} FileResult
 * @typedef {{ passed: number, failed: number }} Count
 */

/**
 * Passed and failed tests of one vitest run. A file that could not be run, and a run that failed with no failed test to
 * show for it (an error outside of any), count as one failed test each.
 * @param {{ testResults: FileResult[] } | undefined} report `undefined`: vitest wrote none
 * @param {number} exitCode
 * @returns {Count}
 */
export function countTests(report, exitCode) {
  const count = { passed: 0, failed: 0 };
  for (const file of report?.testResults ?? []) {
    const statuses = file.assertionResults.map((result) => result.status);
    count.passed += statuses.filter((status) => status === 'passed').length;
    const failed = statuses.filter((status) => status === 'failed').length;
    count.failed += file.status === 'failed' && failed === 0 ? 1 : failed;
  }
  if (exitCode !== 0 && count.failed === 0) count.failed = 1;
  if (report === undefined && exitCode === 0) count.failed = 1;
  return count;
}

/** @param {string} path @returns {{ testResults: FileResult[] } | undefined} */
export function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {Count[]} counts @returns {Count} */
export function sum(counts) {
  return counts.reduce((a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed }), {
    passed: 0,
    failed: 0,
  });
}

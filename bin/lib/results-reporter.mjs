// A vitest reporter for `npm test`: what passed and what failed, with all that vitest knows of a failure, as one JSON file.
// Vitest's own JSON has no errors outside of tests, which is what a run that fails with every test passed is about.
import { writeFileSync } from 'node:fs';
import { env } from 'node:process';

/** The variable that names the file to write. */
export const resultsVariable = 'GANTRY_TEST_RESULTS';

/**
 * @typedef {{ name: string, message: string }} Failure
 * @typedef {{ passed: number, failures: Failure[] }} Results
 */

export default class ResultsReporter {
  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly import('vitest').SerializedError[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const path = env[resultsVariable];
    if (path !== undefined) writeFileSync(path, JSON.stringify(resultsOf(modules, unhandledErrors)));
  }
}

/**
 * @param {readonly import('vitest/node').TestModule[]} modules
 * @param {readonly import('vitest').SerializedError[]} unhandledErrors
 * @returns {Results}
 */
export function resultsOf(modules, unhandledErrors) {
  /** @type {Results} */
  const results = { passed: 0, failures: [] };
  const add = (/** @type {string} */ name, /** @type {readonly import('vitest').SerializedError[]} */ errors) =>
    results.failures.push({ name, message: errors.map(describe).join('\n') || 'failed without a word' });
  for (const module of modules) {
    const file = module.relativeModuleId;
    // Errors of a file or a group are those of loading it and of its hooks.
    if (module.errors().length > 0) add(file, module.errors());
    for (const suite of module.children.allSuites()) {
      if (suite.errors().length > 0) add(`${file}: ${suite.fullName}`, suite.errors());
    }
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      if (state === 'passed') results.passed += 1;
      else if (state === 'failed') add(`${file}: ${test.fullName}`, errors);
    }
  }
  for (const error of unhandledErrors) add('outside of any test', [error]);
  return results;
}

/** @param {import('vitest').SerializedError} error */
function describe(error) {
  return error.stack?.includes(error.message) ? error.stack : `${error.message}\n${error.stack ?? ''}`;
}

// `npm test` and `npm run check`: style, types, bundles, tests; every step runs, whatever the others found.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBeside, runInPlace } from './forward.mjs';
import { resultsVariable } from './results-reporter.mjs';
import { complete, readResults, summary } from './test-summary.mjs';

/**
 * @param {{ root: string, node: string, env: NodeJS.ProcessEnv, projects: string[][], args: string[] }} options
 *   `projects`: groups one after the other, those of a group side by side; `args` go to vitest
 * @returns {Promise<number>} the exit code
 */
export async function runTests({ root, node, env, projects, args }) {
  const reports = mkdtempSync(join(tmpdir(), 'gantry-results-'));
  /** @param {string[]} nodeArgs @param {NodeJS.ProcessEnv} [stepEnv] @returns {Promise<number>} */
  const step = async (nodeArgs, stepEnv = env) => {
    const { code, signal } = await runInPlace(node, nodeArgs, { cwd: root, env: stepEnv });
    if (signal === 'SIGINT' || signal === 'SIGTERM' || code === 130) throw new Interrupted();
    return code;
  };
  /** As `step`, its output in whole lines that begin with `name`. @param {string} name @param {string[]} nodeArgs @param {NodeJS.ProcessEnv} stepEnv */
  const stepBeside = async (name, nodeArgs, stepEnv) => {
    const { code, signal } = await runBeside(name, node, nodeArgs, { cwd: root, env: stepEnv });
    if (signal === 'SIGINT' || signal === 'SIGTERM' || code === 130) throw new Interrupted();
    return code;
  };
  const tool = (/** @type {string} */ path) => join(root, 'node_modules', path);
  /** @param {string} name @param {string[]} nodeArgs @returns {Promise<import('./results-reporter.mjs').Results>} */
  const checked = async (name, nodeArgs) => {
    console.error(`\n${name}`);
    const code = await step(nodeArgs);
    return { passed: 0, failures: code === 0 ? [] : [{ name, message: `ended with exit code ${code}: see above` }] };
  };
  const runs = [];
  try {
    runs.push(await checked('Style (biome)', [tool('@biomejs/biome/bin/biome'), 'check']));
    runs.push(await checked('Types (tsc)', [tool('typescript/bin/tsc'), '-p', '.']));
    runs.push(await checked('Bundles (esbuild)', [join(root, 'scripts/build-program.ts')]));
    for (const group of projects) {
      console.error(`\nTests (${group.join(', ')})`);
      // Else each of them would compose the images that they boot.
      if (group.length > 1) await step([join(root, 'test/e2e/global-setup.ts')]);
      const run = async (/** @type {string} */ project) => {
        const path = join(reports, `${project}.json`);
        const reporters = ['--reporter=default', `--reporter=${join(root, 'bin/lib/results-reporter.mjs')}`];
        const nodeArgs = [tool('vitest/vitest.mjs'), 'run', '--project', project, ...reporters, ...args];
        const stepEnv = { ...env, [resultsVariable]: path };
        const code = await (group.length > 1 ? stepBeside(project, nodeArgs, stepEnv) : step(nodeArgs, stepEnv));
        return complete(readResults(path), code);
      };
      runs.push(...(await Promise.all(group.map(run))));
    }
  } catch (error) {
    if (error instanceof Interrupted) return 130;
    throw error;
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  console.log(summary(runs).join('\n'));
  return runs.some((run) => run.failures.length > 0) ? 1 : 0;
}

class Interrupted extends Error {}

// `npm test` and `npm run check`: style, types, bundles, tests; every step runs, whatever the others found.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBeside, runInPlace } from './forward.mjs';
import { countTests, readReport, sum } from './test-summary.mjs';

/**
 * @param {{ root: string, node: string, env: NodeJS.ProcessEnv, projects: string[][], args: string[] }} options
 *   `projects`: groups one after the other, those of a group side by side; `args` go to vitest
 * @returns {Promise<number>} the exit code
 */
export async function runTests({ root, node, env, projects, args }) {
  const reports = mkdtempSync(join(tmpdir(), 'gantry-results-'));
  /** @param {string[]} nodeArgs @returns {Promise<number>} */
  const step = async (nodeArgs) => {
    const { code, signal } = await runInPlace(node, nodeArgs, { cwd: root, env });
    if (signal === 'SIGINT' || signal === 'SIGTERM' || code === 130) throw new Interrupted();
    return code;
  };
  /** As `step`, its output in whole lines that begin with `name`. @param {string} name @param {string[]} nodeArgs */
  const stepBeside = async (name, nodeArgs) => {
    const { code, signal } = await runBeside(name, node, nodeArgs, { cwd: root, env });
    if (signal === 'SIGINT' || signal === 'SIGTERM' || code === 130) throw new Interrupted();
    return code;
  };
  const tool = (/** @type {string} */ path) => join(root, 'node_modules', path);
  const counts = [];
  try {
    console.error('\nStyle (biome)');
    counts.push({ passed: 0, failed: (await step([tool('@biomejs/biome/bin/biome'), 'check'])) === 0 ? 0 : 1 });
    console.error('\nTypes (tsc)');
    counts.push({ passed: 0, failed: (await step([tool('typescript/bin/tsc'), '-p', '.'])) === 0 ? 0 : 1 });
    console.error('\nBundles (esbuild)');
    counts.push({ passed: 0, failed: (await step([join(root, 'scripts/build-program.ts')])) === 0 ? 0 : 1 });
    for (const group of projects) {
      console.error(`\nTests (${group.join(', ')})`);
      // Else each of them would compose the images that they boot.
      if (group.length > 1) await step([join(root, 'test/e2e/global-setup.ts')]);
      const run = async (/** @type {string} */ project) => {
        const report = join(reports, `${project}.json`);
        const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
        const nodeArgs = [tool('vitest/vitest.mjs'), 'run', '--project', project, ...reporters, ...args];
        const code = await (group.length > 1 ? stepBeside(project, nodeArgs) : step(nodeArgs));
        return countTests(readReport(report), code);
      };
      counts.push(...(await Promise.all(group.map(run))));
    }
  } catch (error) {
    if (error instanceof Interrupted) return 130;
    throw error;
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  const { passed, failed } = sum(counts);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

class Interrupted extends Error {}

// What `npm run demo`, `npm test` and their like call: makes sure that all they need is there, then runs them.
// Plain JavaScript without packages, on any Node from 20: on a fresh clone nothing else exists yet.
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endAs, runInPlace } from './lib/forward.mjs';
import { nodeMajor, pinnedNode } from './lib/node24.mjs';
import { npmPackagesFit } from './lib/npm-packages.mjs';
import { timed } from './lib/progress.mjs';
import { askedArch, fullPath, requirements, whyRoot } from './lib/requirements.mjs';
import { run } from './lib/run.mjs';
import { runTests } from './lib/run-tests.mjs';
import { SetupError } from './lib/setup-error.mjs';
import { ensureSystemPackages } from './lib/system-packages.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Programs that a command runs on the pinned Node; `test` and `check` are made of steps of their own. */
const programs = {
  demo: ['bin/gantry.mjs', 'demo'],
  bench: ['test/bench/main.ts'],
  soak: ['test/soak/main.ts'],
  docs: ['scripts/docs.ts'],
};
const commands = /** @type {const} */ (['demo', 'test', 'check', 'bench', 'soak', 'docs']);

function checkHost() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) throw new SetupError(`Gantry needs Node 20 or newer to start with, and this is ${process.version}.`);
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new SetupError(`Gantry runs on Linux, amd64 or arm64, and this is ${process.platform} on ${process.arch}.`);
  }
  const absent = ['.git', 'package-lock.json', 'src', 'images'].find((path) => !existsSync(join(root, path)));
  if (absent !== undefined)
    throw new SetupError(`${root} is not a complete git checkout of Gantry: it has no ${absent}.`);
}

/** @returns {Promise<string>} the pinned Node */
async function ensureNpmPackages() {
  if (!npmPackagesFit(root) || pinnedNode(root) === undefined) {
    const quiet = ['--ignore-scripts', '--loglevel=error', '--no-audit', '--no-fund'];
    // Said outright, because NODE_ENV or a person's configuration may leave them out.
    const all = ['--include=dev', '--include=optional'];
    try {
      await timed('Installing npm packages', () => run('npm', ['ci', ...quiet, ...all], { cwd: root }));
    } catch (error) {
      const text =
        /** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT' ? 'npm is not installed.' : `${error}`;
      throw new SetupError(`${text}\nThe npm packages could not be installed. Is the registry reachable?`);
    }
  }
  const node = pinnedNode(root);
  if (node === undefined) {
    throw new SetupError(
      `npm left out node-linux-${process.arch}, the Node ${nodeMajor} that Gantry runs on. Is "omit" set in an npmrc?`,
    );
  }
  return node;
}

/** @param {string} word @returns {word is typeof commands[number]} */
function isCommand(word) {
  return /** @type {readonly string[]} */ (commands).includes(word);
}

/** @param {string[]} argv */
async function main([command = '', ...args]) {
  if (!isCommand(command)) throw new SetupError(`Usage: npm run ${commands.join('|')}`);
  checkHost();
  const notAllowed = whyRoot(command, process.getuid?.());
  if (notAllowed !== undefined) throw new SetupError(notAllowed);
  await ensureSystemPackages(requirements(command, askedArch(args)));
  const node = await ensureNpmPackages();
  // Whatever is started below as `node` is the pinned one too.
  const env = { ...process.env, PATH: [dirname(node), fullPath()].join(delimiter) };
  if (command === 'test' || command === 'check') {
    const projects = command === 'test' ? [['unit'], ['e2e', 'native']] : [['unit']];
    process.exitCode = await runTests({ root, node, env, projects, args });
    return;
  }
  const [program = '', ...first] = programs[command];
  // In the folder where the person typed the command, so that paths mean what they wrote.
  const cwd = command === 'demo' ? (process.env.INIT_CWD ?? process.cwd()) : root;
  endAs(await runInPlace(node, [join(root, program), ...first, ...args], { cwd, env }));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

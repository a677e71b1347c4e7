import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Plugin } from 'esbuild';
import { root } from '../../e2e/support/paths.ts';
import { packTree } from './pack-tree.ts';
import type { Pair } from './sets.ts';

/** Seconds: what is built anew is not dated anew. */
const TIME = 1_700_000_000;
/** Of Gantry's own host program, each with a line that is edited. */
const EDITED = ['src/cli/ps.ts', 'src/cli/swap.ts', 'src/device/connect.ts', 'src/tui/app.tsx'] as const;

/** Gantry's own host program with all its packages, as one file; four source lines edited. */
export async function bundlePair(name: string, folder: string, minify: boolean): Promise<Pair> {
  const [old, fresh] = [await bundle(folder, 'old', minify), await bundle(folder, 'fresh', minify)];
  const size = (statSync(join(folder, 'old/app/main.js')).size / 1e6).toFixed(1);
  return {
    name,
    words: `Gantry’s own host program and its packages as one ${minify ? 'minified ' : ''}file of ${size} MB, in ${EDITED.length} of its source files a line or two edited`,
    old,
    fresh,
  };
}

async function bundle(folder: string, which: 'old' | 'fresh', minify: boolean): Promise<string> {
  const { build } = await import('esbuild');
  const tree = join(folder, which);
  rmSync(tree, { recursive: true, force: true });
  await build({
    entryPoints: [join(root, 'src/cli/main.ts')],
    outfile: join(tree, 'app/main.js'),
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify,
    legalComments: 'none',
    logLevel: 'silent',
    external: ['*.node', 'react-devtools-core'],
    plugins: which === 'fresh' ? [editing] : [],
  });
  return packTree(tree, join(folder, `${which}.tar`), TIME);
}

const editing: Plugin = {
  name: 'editing',
  setup(build) {
    for (const path of EDITED) {
      const full = join(root, path);
      build.onLoad({ filter: new RegExp(`/${basename(path).replace('.', '\\.')}$`) }, (args) =>
        args.path === full ? { contents: edited(full), loader: path.endsWith('x') ? 'tsx' : 'ts' } : undefined,
      );
    }
  },
};

/** A line that a minifier has to give a new name in, and so other names to what comes after. */
const ADDED = 'export const editedAt = performance.now();\nprocess.env.GANTRY_EDITED_AT = editedAt.toFixed();\n';

/** In the first file lines more; in the others one text of some length changed, in a line of code that imports nothing. */
function edited(path: string): string {
  const text = readFileSync(path, 'utf8');
  if (path.endsWith(EDITED[0])) return text + ADDED;
  const changed = text.replace(/^(?!import|export .* from|.*\bfrom ').*?['`][^'`$\n]{8,}(?=['`$])/m, '$& (edited)');
  if (changed === text) throw new Error(`${path} has no line to edit`);
  return changed;
}

/** The packages that Gantry is developed with, as a folder of many small files; one of them edited. */
export async function packagesPair(name: string, folder: string): Promise<Pair> {
  const modules = realpathSync(join(root, 'node_modules'));
  const tree = join(folder, 'tree');
  rmSync(tree, { recursive: true, force: true });
  let files = 0;
  const isWanted = (path: string): boolean => {
    const { isFile, size } = describe(path);
    if (!isFile) return !basename(path).startsWith('.');
    const wanted = size < 256 * 1024 && /\.(c|m)?(js|ts|json)$/.test(path);
    if (wanted) files++;
    return wanted;
  };
  for (const one of [
    'es-toolkit',
    'zod',
    'lodash',
    'protobufjs',
    '@grpc',
    'ink',
    'react',
    'react-reconciler',
    'ssh2',
    'vite',
  ]) {
    if (!existsSync(join(modules, one))) throw new Error(`${one} is not among the packages any more`);
    mkdirSync(join(tree, 'node_modules'), { recursive: true });
    cpSync(join(modules, one), join(tree, 'node_modules', one), { recursive: true, filter: isWanted });
  }
  const old = await packTree(tree, join(folder, 'old.tar'), TIME);
  const changed = join(tree, 'node_modules/ink/build/ink.js');
  writeFileSync(changed, readFileSync(changed, 'utf8').replace('import ', '// edited\nimport '));
  const fresh = await packTree(tree, join(folder, 'fresh.tar'), TIME);
  rmSync(tree, { recursive: true });
  const size = (statSync(old).size / 1e6).toFixed(1);
  return {
    name,
    words: `${files.toLocaleString('en')} small files of npm packages in a tar of ${size} MB, one line edited in one of them`,
    old,
    fresh,
  };
}

function describe(path: string): { isFile: boolean; size: number } {
  const found = statSync(path);
  return { isFile: found.isFile(), size: found.size };
}

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { BuildResult } from 'esbuild';
import { isFresh, writeStamp } from '../bin/lib/freshness.mjs';
import { leaveOut } from '../src/compose/component/bundle.ts';
import { checkoutRoot } from './checkout.ts';

type Bundled = BuildResult<{ write: false; metafile: true }>;

/** What a bundle needs of CommonJS: packages that call `require` find a real one. */
const banner = `import { createRequire as __gantryRequire } from 'node:module';
const require = __gantryRequire(import.meta.url);`;

/** Loaded from node_modules when they are used: they hold machine code, or read files beside themselves. */
const external = ['koffi', '@serialport/bindings-cpp', '@lydell/node-pty', 'cpu-features', '*.node', 'esbuild'];

/**
 * Bundles the `gantry` command into `dist/gantry/`: `main.js` and what it imports when needed. Identifiers keep their
 * names, so that a stack trace can be read; no absolute path goes in. Returns whether anything had to be done.
 */
export async function buildHost(): Promise<{ main: string; built: boolean }> {
  const root = checkoutRoot();
  const outdir = join(root, 'dist/gantry');
  const main = join(outdir, 'main.js');
  if (existsSync(main) && isFresh(root, outdir)) return { main, built: false };
  const { build } = await import('esbuild');
  const started = Date.now();
  const result = await build({
    entryPoints: { main: 'src/cli/gantry.ts' },
    absWorkingDir: root,
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node24',
    charset: 'utf8',
    jsx: 'automatic',
    minifyWhitespace: true,
    minifySyntax: true,
    // Node prints the whole line of an uncaught error.
    lineLimit: 160,
    legalComments: 'none',
    logLevel: 'warning',
    banner: { js: banner },
    inject: ['scripts/commonjs-globals.ts'],
    external,
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [leaveOut],
    metafile: true,
    write: false,
  });
  writeBundle(root, outdir, started, result);
  return { main, built: true };
}

/** What no longer belongs to the bundle stays while young: a program that runs now may still import it. */
const chunkLifeMs = 24 * 3600 * 1000;

/** Writes each file whole, the entry after what it imports, and the stamp last. */
function writeBundle(root: string, outdir: string, startedAtMs: number, result: Bundled): void {
  mkdirSync(outdir, { recursive: true });
  const entries = new Set(
    Object.entries(result.metafile.outputs).flatMap(([name, out]) => (out.entryPoint ? [name] : [])),
  );
  const isEntry = (path: string) => entries.has(relative(root, path));
  const files = result.outputFiles.toSorted((a, b) => Number(isEntry(a.path)) - Number(isEntry(b.path)));
  for (const file of files) {
    if (existsSync(file.path) && Buffer.from(file.contents).equals(readFileSync(file.path))) continue;
    mkdirSync(dirname(file.path), { recursive: true });
    const temporary = `${file.path}.${process.pid}`;
    writeFileSync(temporary, file.contents);
    renameSync(temporary, file.path);
  }
  const current = new Set(files.map((file) => basename(file.path)));
  for (const name of readdirSync(outdir)) {
    if (!/\.m?js$/.test(name) || current.has(name)) continue;
    const path = join(outdir, name);
    if (Date.now() - statSync(path).mtimeMs > chunkLifeMs) rmSync(path, { force: true });
  }
  writeStamp(root, outdir, Object.keys(result.metafile.inputs), startedAtMs);
}

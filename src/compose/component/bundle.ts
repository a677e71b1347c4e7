import { dirname } from 'node:path';
import type { Plugin } from 'esbuild';
import { ComposeError } from '../errors.ts';

/** zod brings its messages in fifty languages: megabytes of a device's memory that nobody reads. */
const withoutLocales: Plugin = {
  name: 'without-locales',
  setup(build) {
    build.onResolve({ filter: /\/locales\/index\.js$/ }, (args) =>
      /\/zod\/v4\//.test(args.importer) ? { path: args.path, namespace: 'left-out' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'export {};' }));
  },
};

/**
 * Bundles a TypeScript or JavaScript program to one ES module. The bytes depend on the sources alone: no absolute path
 * goes in.
 */
export async function bundleProgram(entry: string, external: string[]): Promise<Buffer> {
  const { build } = await import('esbuild');
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: dirname(entry),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    write: false,
    logLevel: 'silent',
    external,
    plugins: [withoutLocales],
    define: { 'process.env.NODE_ENV': '"production"' },
    banner: {
      js: "import { createRequire as gantryRequire } from 'node:module'; const require = gantryRequire(import.meta.url);",
    },
  }).catch((error: Error) => {
    throw new ComposeError(`cannot bundle ${entry}:\n${error.message}`);
  });
  const output = result.outputFiles[0];
  if (output === undefined) throw new ComposeError(`bundling ${entry} gave nothing`);
  return Buffer.from(output.contents);
}

import { dirname } from 'node:path';
import { ComposeError } from '../errors.ts';

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

import { dirname, resolve } from 'node:path';
import type { BuildFailure, Plugin } from 'esbuild';
import { ComposeError } from '../errors.ts';

/**
 * Parts of packages that Gantry never calls, by importer and name: Ink's developer tools, dockerode's BuildKit sessions
 * (gRPC and protobuf, 150 ms at each start), docker-modem's own SSH (Gantry's transports do that), zod's messages in fifty
 * languages (megabytes of memory).
 */
const unused: { importer: RegExp; name: RegExp }[] = [
  { importer: /\/ink\//, name: /^react-devtools-core$/ },
  { importer: /\/dockerode\/lib\//, name: /^(\.\/session|protobufjs)$/ },
  { importer: /\/docker-modem\/lib\//, name: /^\.\/ssh$/ },
  { importer: /\/zod\/v4\//, name: /\/locales\/index\.js$/ },
];

export const leaveOut: Plugin = {
  name: 'leave-out',
  setup(build) {
    for (const { importer, name } of unused) {
      build.onResolve({ filter: name }, (args) =>
        importer.test(args.importer) ? { path: args.path, namespace: 'left-out' } : undefined,
      );
    }
    build.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/**
 * Bundles a TypeScript or JavaScript program to one ES module. The bytes depend on the sources alone: no absolute path
 * goes in. `onRead` is told of all sources when they could be bundled, else of those that are wrong.
 */
export async function bundleProgram(
  entry: string,
  external: string[],
  onRead?: (path: string) => void,
): Promise<Buffer> {
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
    metafile: true,
    logLevel: 'silent',
    external,
    plugins: [leaveOut],
    define: { 'process.env.NODE_ENV': '"production"' },
    banner: {
      js: "import { createRequire as gantryRequire } from 'node:module'; const require = gantryRequire(import.meta.url);",
    },
  }).catch((error: Error & Partial<BuildFailure>) => {
    for (const { location } of error.errors ?? []) if (location) onRead?.(resolve(dirname(entry), location.file));
    throw new ComposeError(`cannot bundle ${entry}:\n${error.message}`);
  });
  // Those of a plugin begin with its name and a colon, and are no files.
  const sources = Object.keys(result.metafile.inputs).filter((name) => !name.startsWith('left-out:'));
  for (const name of sources) onRead?.(resolve(dirname(entry), name));
  const output = result.outputFiles[0];
  if (output === undefined) throw new ComposeError(`bundling ${entry} gave nothing`);
  return Buffer.from(output.contents);
}

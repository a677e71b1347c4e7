#!/usr/bin/env node
// Starts the bundled program on the Node it is tested with. In a checkout it bundles first what has changed.
import { existsSync } from 'node:fs';
import * as module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isFresh } from './lib/freshness.mjs';
import { nodeMajor, pinnedNode } from './lib/node24.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (Number(process.versions.node.split('.')[0]) === nodeMajor) {
  const outdir = join(root, 'dist/gantry');
  const main = join(outdir, 'main.js');
  if (!existsSync(main) || !isFresh(root, outdir)) {
    const { buildHost } = await import('../scripts/build.ts');
    await buildHost();
  }
  module.enableCompileCache?.(join(root, 'dist/compile-cache'));
  // Node's deprecations of what packages call are nothing a person can act on.
  process.noDeprecation = true;
  await import(main);
} else {
  const node = pinnedNode(root);
  if (node === undefined) {
    console.error(
      `Gantry needs its npm packages, and they are not installed. In ${root}, type: npm ci --ignore-scripts`,
    );
    process.exit(1);
  }
  const { endAs, runInPlace } = await import('./lib/forward.mjs');
  endAs(await runInPlace(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)]));
}

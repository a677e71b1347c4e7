// Whether a bundle is newer than its sources. Plain JavaScript, because the launcher asks it on any Node ≥ 20.
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Besides the sources, what a bundle depends on. Packages are as package-lock.json says. */
const always = ['package-lock.json', 'scripts/build.ts', 'bin/lib/freshness.mjs'];

/** @param {string} path @returns {string | undefined} */
function fingerprint(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.size}:${stat.mtimeMs}`;
}

/**
 * @param {string} root the checkout
 * @param {string} outdir where the bundle is
 * @returns {boolean}
 */
export function isFresh(root, outdir) {
  let stamp;
  try {
    stamp = JSON.parse(readFileSync(join(outdir, 'stamp.json'), 'utf8'));
  } catch {
    return false;
  }
  const entries = Object.entries(stamp);
  return entries.length > 0 && entries.every(([path, mark]) => fingerprint(join(root, path)) === mark);
}

/**
 * Remembers the state of the sources that a bundle was made from. One that changed since the start, or so short before
 * that the file system's clock cannot tell, makes the bundle stale: esbuild may have read either.
 * @param {string} root
 * @param {string} outdir
 * @param {string[]} inputs relative to the root
 * @param {number} startedAtMs when the bundler was started
 */
export function writeStamp(root, outdir, inputs, startedAtMs) {
  const own = inputs.filter((path) => !path.includes('node_modules/') && !path.includes(':'));
  const stamp = Object.fromEntries(
    [...always, ...own].map((path) => {
      const mtime = statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
      return [path, mtime < startedAtMs - 20 ? fingerprint(join(root, path)) : 'changed'];
    }),
  );
  mkdirSync(outdir, { recursive: true });
  const temporary = join(outdir, `stamp.json.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(stamp));
  renameSync(temporary, join(outdir, 'stamp.json'));
}

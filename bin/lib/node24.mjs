// Gantry runs on the Node that its lock file names, whatever Node a person has.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The major version that Gantry is tested with, on the host as on the device. */
export const nodeMajor = 24;

/**
 * The pinned Node's program, `undefined` when its package is not installed.
 * @param {string} root the checkout
 * @returns {string | undefined}
 */
export function pinnedNode(root) {
  const path = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  return existsSync(path) ? path : undefined;
}

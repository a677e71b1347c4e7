// Whether node_modules is what package-lock.json says.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * npm notes what it has installed in node_modules/.package-lock.json, at the end of an installation.
 * @param {string} root the checkout
 * @returns {boolean}
 */
export function npmPackagesFit(root) {
  try {
    /** @param {string} path */
    const packages = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
    return lockFits(packages('package-lock.json'), packages('node_modules/.package-lock.json'));
  } catch {
    return false;
  }
}

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, os?: string[], cpu?: string[], libc?: string[] }} Entry
 * @param {Record<string, Entry>} wanted of package-lock.json
 * @param {Record<string, Entry>} installed of node_modules/.package-lock.json
 * @param {{ platform: string, arch: string }} [host]
 * @returns {boolean}
 */
export function lockFits(wanted, installed, host = process) {
  const fit = Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const present = installed[path];
    if (present !== undefined) return present.version === entry.version && present.integrity === entry.integrity;
    if (entry.optional !== true) return false;
    // One for another machine is rightly absent. libc cannot be told from here: either of the two suffices.
    const forUs = (entry.os?.includes(host.platform) ?? true) && (entry.cpu?.includes(host.arch) ?? true);
    return !forUs || entry.libc !== undefined || entry.os === undefined;
  });
  return fit && Object.keys(installed).every((path) => wanted[path] !== undefined);
}

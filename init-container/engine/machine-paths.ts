import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { devicePaths, machinePaths } from '../../src/shared/device-paths.ts';
import type { OciSpec } from './oci-spec.ts';

/** As many symbolic links as the kernel follows in one path. */
const linksMax = 40;

/** Folders of Gantry's own, which are at the same place inside and outside of its mount namespace. */
const own = [devicePaths.run, devicePaths.data, devicePaths.factory];

/**
 * A runtime configuration for Gantry on top of an existing distribution: what it binds, and the namespaces it joins, are
 * the machine's, not those of Gantry's root image.
 */
export function onMachine(spec: OciSpec, find: (path: string) => string = machinePath): OciSpec {
  const isBind = (options: string[] = [], type = '') => type === 'bind' || options.some((o) => /^r?bind$/.test(o));
  return {
    ...spec,
    mounts: spec.mounts.map((mount) =>
      mount.source !== undefined && isBind(mount.options, mount.type)
        ? { ...mount, source: find(mount.source) }
        : mount,
    ),
    linux: {
      ...spec.linux,
      namespaces: spec.linux.namespaces.map((one) => (one.path ? { ...one, path: find(one.path) } : one)),
    },
  };
}

/**
 * Where a path of a definition is in Gantry's mount namespace: a file that the definition itself brought, else the
 * machine's own. A folder is the definition's only where the machine has none.
 */
export function machinePath(path: string, { root, files }: { root: string; files: string } = machinePaths): string {
  const clean = posix.normalize(path);
  if (own.some((folder) => clean === folder || clean.startsWith(`${folder}/`))) return clean;
  const brought = posix.join(files, clean);
  const machines = inRoot(root, clean);
  const kind = statSync(brought, { throwIfNoEntry: false });
  const isOurs = kind !== undefined && (!kind.isDirectory() || !statSync(machines, { throwIfNoEntry: false }));
  return isOurs ? brought : machines;
}

/** The path below `root` that `path` means for a process whose root that is: links do not lead out of it. */
export function inRoot(root: string, path: string): string {
  let done = '/';
  const left = path.split('/').filter(Boolean);
  for (let links = 0; left.length > 0; ) {
    const part = left.shift() ?? '';
    const next = posix.join(done, part);
    const stat = lstatSync(posix.join(root, next), { throwIfNoEntry: false });
    if (!stat?.isSymbolicLink()) {
      done = next;
      continue;
    }
    if (++links > linksMax) throw new Error(`${path} leads through too many symbolic links`);
    const target = readlinkSync(posix.join(root, next));
    if (target.startsWith('/')) done = '/';
    left.unshift(...target.split('/').filter((one) => one !== '' && one !== '.'));
  }
  return posix.join(root, done);
}

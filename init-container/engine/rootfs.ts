import { mkdir, readFile, rmdir } from 'node:fs/promises';
import { hostMounts, hostPath } from '../native/host-command.ts';
import { runOnHostOrThrow } from '../native/run.ts';
import { containerPaths } from './paths.ts';

/**
 * The container's root: its image's layers with a writable layer on tmpfs over them. The writable layer is there even
 * for `readonly` containers, because the runtime makes missing mount points in it before it makes the root read-only.
 */
export async function mountRootfs(instance: string, layers: string[]): Promise<void> {
  const { rootfs, layer, upper, work } = containerPaths(instance);
  if (await isMounted(rootfs)) return;
  if (layers.length === 0) throw new Error('the image has no layers');
  for (const folder of [rootfs, layer]) await mkdir(folder, { recursive: true, mode: 0o755 });
  const name = `gantry-${instance}`;
  if (!(await isMounted(layer))) {
    await runOnHostOrThrow(['busybox', 'mount', '-t', 'tmpfs', '-o', 'mode=0755', name, layer]);
  }
  for (const folder of [upper, work]) await mkdir(hostPath(folder), { recursive: true, mode: 0o755 });
  const options = [`lowerdir=${layers.map(escaped).join(':')}`, `upperdir=${upper}`, `workdir=${work}`].join(',');
  await runOnHostOrThrow(['busybox', 'mount', '-t', 'overlay', '-o', options, name, rootfs]);
}

/** Unmounts the root and discards the writable layer: with its file system, whatever is in it and however deep. */
export async function discardRootfs(instance: string): Promise<void> {
  const { rootfs, layer } = containerPaths(instance);
  for (const folder of [rootfs, layer]) {
    while (await isMounted(folder)) await runOnHostOrThrow(['busybox', 'umount', '-l', folder]);
    // Only as an empty folder: whatever were still mounted there must not be deleted.
    await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

const escaped = (path: string) => path.replace(/[\\:,]/g, '\\$&');

async function isMounted(path: string): Promise<boolean> {
  const mounts = await readFile(hostMounts(), 'utf8');
  return mounts.split('\n').some((line) => line.split(' ')[4] === path);
}

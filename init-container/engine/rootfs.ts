import { mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import { hostMounts } from '../native/host-command.ts';
import { runOnHostOrThrow } from '../native/run.ts';
import { containerPaths } from './paths.ts';

/**
 * The container's root: its image's layers with a writable layer on tmpfs over them. The writable layer is there even
 * for `readonly` containers, because the runtime makes missing mount points in it before it makes the root read-only.
 */
export async function mountRootfs(instance: string, layers: string[]): Promise<void> {
  const { rootfs, upper, work } = containerPaths(instance);
  if (await isMounted(rootfs)) return;
  if (layers.length === 0) throw new Error('the image has no layers');
  for (const folder of [rootfs, upper, work]) await mkdir(folder, { recursive: true, mode: 0o755 });
  const options = [`lowerdir=${layers.map(escaped).join(':')}`, `upperdir=${upper}`, `workdir=${work}`].join(',');
  await runOnHostOrThrow(['busybox', 'mount', '-t', 'overlay', '-o', options, `gantry-${instance}`, rootfs]);
}

/** Unmounts the root and discards the writable layer. */
export async function discardRootfs(instance: string): Promise<void> {
  const { rootfs, upper, work } = containerPaths(instance);
  while (await isMounted(rootfs)) await runOnHostOrThrow(['busybox', 'umount', '-l', rootfs]);
  // Only as an empty folder: whatever were still mounted there must not be deleted.
  await rmdir(rootfs).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  for (const folder of [upper, work]) await rm(folder, { recursive: true, force: true });
}

const escaped = (path: string) => path.replace(/[\\:,]/g, '\\$&');

async function isMounted(path: string): Promise<boolean> {
  const mounts = await readFile(hostMounts(), 'utf8');
  return mounts.split('\n').some((line) => line.split(' ')[4] === path);
}

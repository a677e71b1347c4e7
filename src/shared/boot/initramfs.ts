import { gzipSync } from 'node:zlib';
import { type CpioEntry, cpioArchive } from './cpio.ts';

/**
 * Modules that every initramfs has beside those of its board: with them it looks at the data partition, for what boots
 * instead of the image, and takes a root image from a file there. Those built into the kernel are skipped.
 */
export const slotModules = ['crc32c_generic', 'ext4', 'loop'];

export interface BootModule {
  name: string;
  data: Buffer;
}

/**
 * The modules of these names and what they depend on, in the order to load them, with their paths as `modules.dep` has
 * them. A name that the kernel has no module for is skipped: it may be built in.
 */
export function bootModules(dependencies: string, wanted: readonly string[]): { name: string; path: string }[] {
  const needs = new Map<string, string[]>();
  for (const line of dependencies.split('\n')) {
    const [path, rest] = line.split(':');
    if (path) needs.set(path, (rest ?? '').trim().split(' ').filter(Boolean));
  }
  const byName = new Map([...needs.keys()].map((path) => [nameOf(path), path]));
  const ordered = new Set<string>();
  for (const name of wanted) {
    const path = byName.get(name.replaceAll('-', '_'));
    if (path === undefined) continue;
    // modules.dep lists the nearest dependency first; loading starts from the far end.
    for (const needed of [...(needs.get(path) ?? [])].reverse()) ordered.add(needed);
    ordered.add(path);
  }
  return [...ordered].map((path) => ({ name: nameOf(path), path }));
}

/** The initramfs, compressed: a static busybox, the script that it runs as `/init`, and modules in their order. */
export function initramfs(parts: { busybox: Buffer; script: Buffer; modules: readonly BootModule[] }): Buffer {
  const folders = ['bin', 'data', 'dev', 'modules', 'proc', 'ro', 'root', 'rw', 'sys'];
  const entries: CpioEntry[] = [
    ...folders.map((path): CpioEntry => ({ path, type: 'directory', mode: 0o755 })),
    { path: 'dev/console', type: 'character-device', mode: 0o600, devmajor: 5, devminor: 1 },
    { path: 'bin/busybox', type: 'file', mode: 0o755, content: parts.busybox },
    { path: 'bin/sh', type: 'symlink', mode: 0o777, linkname: 'busybox' },
    { path: 'init', type: 'file', mode: 0o755, content: parts.script },
    ...parts.modules.map(({ name, data }, index): CpioEntry => {
      const path = `modules/${String(index).padStart(2, '0')}-${name}.ko`;
      return { path, type: 'file', mode: 0o644, content: data };
    }),
  ];
  return gzipSync(cpioArchive(entries), { level: 9 });
}

function nameOf(path: string): string {
  return (path.split('/').at(-1) ?? '').replace(/\.ko$/, '').replaceAll('-', '_');
}

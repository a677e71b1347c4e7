import { gzipSync } from 'node:zlib';
import { ComposeError } from '../errors.ts';
import { directory, type Entry, file, sortEntries, symlink } from '../oci/entry.ts';
import { cpioArchive } from './cpio.ts';

/**
 * The initramfs: busybox and the script of the base component, and the modules that find the root image.
 * `root` is the flattened root file system with the kernel's modules in it.
 */
export function buildInitramfs(root: Map<string, Entry>, bootModules: string[]): Buffer {
  const content = (path: string): Buffer => {
    const entry = root.get(path);
    if (entry?.content === undefined)
      throw new ComposeError(`the images in init have no /${path}; is a base component among them?`);
    return entry.content;
  };
  const modules = moduleFiles(root, bootModules);
  const entries: Entry[] = [
    ...['bin', 'dev', 'proc', 'sys', 'ro', 'rw', 'root', 'modules'].map((path) => directory(path)),
    { ...file('dev/console', ''), type: 'character-device', mode: 0o600, devmajor: 5, devminor: 1 },
    file('bin/busybox', content('usr/bin/busybox'), 0o755),
    symlink('bin/sh', 'busybox'),
    file('init', content('usr/lib/gantry/initramfs'), 0o755),
    ...modules.map((module, index) => file(`modules/${String(index).padStart(2, '0')}-${module.name}.ko`, module.data)),
  ];
  return gzipSync(cpioArchive(sortEntries(entries)), { level: 9 });
}

/** Contents of the modules and of what they depend on, in the order to load them. */
function moduleFiles(root: Map<string, Entry>, wanted: string[]): { name: string; data: Buffer }[] {
  const list = [...root.keys()].find((path) => /^usr\/lib\/modules\/[^/]+\/modules\.dep$/.test(path));
  if (list === undefined) throw new ComposeError('the kernel image has no modules.dep in its kernel.tar');
  const base = list.slice(0, -'/modules.dep'.length);
  const needs = new Map<string, string[]>();
  for (const line of (root.get(list)?.content ?? '').toString().split('\n')) {
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
  return [...ordered].map((path) => {
    const data = root.get(`${base}/${path}`)?.content;
    if (data === undefined) throw new ComposeError(`kernel.tar lists ${path} but does not hold it`);
    return { name: nameOf(path), data };
  });
}

function nameOf(path: string): string {
  return (path.split('/').at(-1) ?? '').replace(/\.ko$/, '').replaceAll('-', '_');
}

import { execa } from 'execa';
import { ComposeError } from '../errors.ts';
import type { Entry } from '../oci/entry.ts';
import { directory, file, sortEntries } from '../oci/entry.ts';

interface Module {
  name: string;
  /** Below `/usr/lib/modules/<version>/`, without a compression suffix. */
  path: string;
  data: Buffer;
  depends: string[];
  aliases: string[];
}

/**
 * The module tree of a kernel package reduced to `wanted` and all that those depend on, uncompressed (the root image is
 * compressed as a whole, and busybox loads them in the initramfs), with `modules.dep` and `modules.alias` for modprobe.
 * Modules built into the kernel are accepted by name.
 */
export async function selectModules(files: Entry[], wanted: string[]): Promise<{ version: string; entries: Entry[] }> {
  const first = files.find((entry) => /^usr\/lib\/modules\/[^/]+\/modules\.builtin$/.test(entry.path));
  const version = first?.path.split('/')[3];
  if (first === undefined || version === undefined) throw new ComposeError('the kernel package has no modules.builtin');
  const base = `usr/lib/modules/${version}`;
  const builtin = new Set((first.content ?? '').toString().split('\n').map(moduleName));
  const available = new Map<string, Entry>();
  for (const entry of files) {
    if (entry.type === 'file' && /\.ko(\.xz)?$/.test(entry.path)) available.set(moduleName(entry.path), entry);
  }
  const chosen = new Map<string, Module>();
  const queue = wanted.map((name) => name.replaceAll('-', '_'));
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (chosen.has(name) || builtin.has(name)) continue;
    const entry = available.get(name);
    if (entry === undefined) throw new ComposeError(`the kernel ${version} has no module ${name}`);
    const module = await readModule(name, entry, base);
    chosen.set(name, module);
    queue.push(...module.depends);
  }
  const modules = [...chosen.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const entries: Entry[] = [
    file(`${base}/modules.dep`, dependencyFile(chosen, modules)),
    file(`${base}/modules.alias`, modules.flatMap((m) => m.aliases.map((a) => `alias ${a} ${m.name}\n`)).join('')),
    { ...first, mode: 0o644 },
    ...modules.map((module) => file(`${base}/${module.path}`, module.data)),
  ];
  const folders = new Set<string>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    for (let i = 1; i < parts.length; i++) folders.add(parts.slice(0, i).join('/'));
  }
  return { version, entries: sortEntries([...entries, ...[...folders].map((path) => directory(path))]) };
}

function moduleName(path: string): string {
  return (path.split('/').at(-1) ?? '').replace(/\.ko(\.xz)?$/, '').replaceAll('-', '_');
}

async function readModule(name: string, entry: Entry, base: string): Promise<Module> {
  let data = entry.content ?? Buffer.alloc(0);
  if (entry.path.endsWith('.xz')) {
    const result = await execa('xz', ['-dc'], { input: data, encoding: 'buffer', maxBuffer: 1 << 28 });
    data = Buffer.from(result.stdout);
  }
  // The .modinfo section is a run of NUL-terminated key=value strings; no other section holds such keys.
  const text = data.toString('latin1');
  const values = (key: string) => [...text.matchAll(new RegExp(`\\0${key}=([^\\0]*)`, 'g'))].map((m) => m[1] ?? '');
  return {
    name,
    path: entry.path.slice(base.length + 1).replace(/\.xz$/, ''),
    data,
    depends: values('depends').flatMap((list) =>
      list
        .split(',')
        .filter((d) => d !== '')
        .map((d) => d.replaceAll('-', '_')),
    ),
    aliases: values('alias'),
  };
}

/** modprobe loads right to left: a line lists all that must be in the kernel before, nearest first. */
function dependencyFile(chosen: Map<string, Module>, modules: Module[]): string {
  const all = (module: Module, seen: Set<Module>): Set<Module> => {
    for (const name of module.depends) {
      const needed = chosen.get(name);
      if (needed === undefined) continue;
      seen.delete(needed);
      seen.add(needed);
      all(needed, seen);
    }
    return seen;
  };
  return modules.map((m) => `${m.path}:${[...all(m, new Set())].map((n) => ` ${n.path}`).join('')}\n`).join('');
}

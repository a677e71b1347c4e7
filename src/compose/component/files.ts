import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { ComposeError } from '../errors.ts';
import { directory, type Entry, sortEntries, symlink } from '../oci/entry.ts';
import type { FileSpec } from './recipe.ts';

interface FileOptions {
  defaultMode: number;
  /** The file that names them, for messages. */
  where: string;
  /** Told of each source before it is read. */
  onRead?: ((path: string) => void) | undefined;
}

/**
 * Entries for the `files` of a recipe or an OS definition (LinuxKit docs/yaml.md, "files"), with the folders above them.
 * `baseDir` is what a relative `source` starts from; `ids` gives numbers for user names.
 */
export async function fileEntries(
  specs: FileSpec[],
  baseDir: string,
  options: FileOptions & { ids?: Record<string, number> },
): Promise<Entry[]> {
  const entries = new Map<string, Entry>();
  const number = (id: string | number | undefined): number => {
    if (id === undefined) return 0;
    if (typeof id === 'number') return id;
    const found = options.ids?.[id];
    if (found === undefined) throw new ComposeError(`no user is called ${id}`, options.where);
    return found;
  };
  for (const spec of specs) {
    const path = spec.path.replace(/^\/+/, '').replace(/\/+$/, '');
    if (path.split('/').includes('..')) throw new ComposeError(`${spec.path} leads outside`, options.where);
    const entry = await fileEntry(spec, path, baseDir, options);
    if (entry === undefined) continue;
    const parts = path.split('/');
    for (let i = 1; i < parts.length; i++) {
      const above = parts.slice(0, i).join('/');
      if (!entries.has(above)) entries.set(above, directory(above));
    }
    entries.set(path, { ...entry, uid: number(spec.uid), gid: number(spec.gid) });
  }
  return sortEntries([...entries.values()]);
}

async function fileEntry(
  spec: FileSpec,
  path: string,
  baseDir: string,
  options: FileOptions,
): Promise<Entry | undefined> {
  const mode = typeof spec.mode === 'string' ? Number.parseInt(spec.mode, 8) : spec.mode;
  if (spec.directory) return directory(path, mode ?? 0o755);
  if (spec.symlink !== undefined) return symlink(path, spec.symlink);
  let content: Buffer;
  if (spec.source !== undefined) {
    const source = resolve(baseDir, spec.source.replace(/^~\//, `${homedir()}/`));
    options.onRead?.(source);
    const data = await readFile(source).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' && spec.optional) return undefined;
      throw new ComposeError(`cannot read the source of ${spec.path}: ${error.message}`, options.where);
    });
    if (data === undefined) return undefined;
    content = data;
  } else if (spec.contents !== undefined) {
    content = Buffer.from(spec.contents);
  } else {
    throw new ComposeError(`${spec.path} says neither contents, source, directory nor symlink`, options.where);
  }
  return { path, type: 'file', mode: mode ?? options.defaultMode, uid: 0, gid: 0, mtime: 0, content };
}

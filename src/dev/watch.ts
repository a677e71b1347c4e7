import { existsSync, type FSWatcher, lstatSync, readdirSync, realpathSync, watch } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { isIgnored } from './ignored.ts';

/**
 * Tells of every change in a folder and all folders in it, also in those that come later, and of changes of single files
 * elsewhere. It watches folders, not files: an editor that writes a new file and renames it is seen like one that writes
 * into the old one. Node's own recursive watch would watch each file, also in `node_modules`.
 */
export class SourceWatch {
  readonly #root: string;
  readonly #onChange: (path: string) => void;
  /** By folder. Those of the tree, and those in which only some names count. */
  readonly #watchers = new Map<string, FSWatcher>();
  /** Single files, in the tree or not: they count whatever their names are. */
  readonly #files = new Set<string>();

  /** Throws when the folder cannot be watched. `onChange` gets absolute paths. */
  constructor(root: string, onChange: (path: string) => void) {
    this.#root = realPath(root);
    this.#onChange = onChange;
    this.#enter(this.#root);
    // It may be removed and made again, as by a checkout.
    this.addFile(this.#root);
  }

  /** Number of folders of the tree that are being watched. */
  get folders(): number {
    return [...this.#watchers.keys()].filter((folder) => this.#isInTree(folder)).length;
  }

  /** Watches a file that may lie anywhere, and need not exist yet; where it is a link, also what that leads to. */
  addFile(path: string): void {
    for (const wanted of [resolve(path), realPath(path)]) {
      this.#files.add(wanted);
      this.#watchFolder(dirname(wanted));
    }
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** Watches a folder of the tree and those in it. Returns the files that it found. */
  #enter(folder: string): string[] {
    // First the watch, then the look: what comes in between is seen twice rather than never.
    if (!this.#watchFolder(folder)) return [];
    const found: string[] = [];
    for (const entry of entriesOf(folder)) {
      if (isIgnored(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) found.push(...this.#enter(path));
      else found.push(path);
    }
    return found;
  }

  /** False when there is no such folder. */
  #watchFolder(folder: string): boolean {
    if (this.#watchers.has(folder)) return true;
    try {
      const watcher = watch(folder, (event, name) => this.#heard(folder, event, name));
      // A folder that is removed while it is watched; that it is gone is told by the one above.
      watcher.on('error', () => this.#leave(folder));
      this.#watchers.set(folder, watcher);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return false;
      throw explain(error as NodeJS.ErrnoException, folder);
    }
  }

  #heard(folder: string, event: string, name: string | null): void {
    let paths: string[];
    try {
      paths = this.#changesOf(folder, event, name);
    } catch {
      // A new folder that cannot be watched, and nobody here to tell. What is in it now is built at least.
      paths = [folder];
    }
    for (const path of paths) this.#onChange(path);
  }

  /** The files that an event is about; its folders are watched, or no longer, afterwards. */
  #changesOf(folder: string, event: string, name: string | null): string[] {
    // The kernel had more to tell than it could keep.
    if (name === null) return [folder];
    // Its own end: the folder above tells.
    if (name === basename(folder) && !existsSync(folder)) return [];
    const path = join(folder, name);
    const inTree = this.#isInTree(path) && (path === this.#root || !isIgnored(name));
    const isFile = !inTree || !isFolder(path);
    const itself = isFile && (inTree || this.#files.has(path)) ? [path] : [];
    if (event !== 'rename') return itself;
    // A folder that has come, maybe in the place of another, or that has gone: what is in it has changed.
    this.#leave(path);
    return [...itself, ...(isFile ? [] : this.#enter(path)), ...this.#findFilesBelow(path)];
  }

  /** No longer watches a folder and those in it. */
  #leave(folder: string): void {
    for (const [path, watcher] of [...this.#watchers]) {
      if (path !== folder && !path.startsWith(`${folder}${sep}`)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
  }

  /** Watches the single files below a folder that has just come. Returns those that are there. */
  #findFilesBelow(folder: string): string[] {
    const below = [...this.#files].filter((file) => file.startsWith(`${folder}${sep}`));
    return below.filter((file) => this.#watchFolder(dirname(file)) && existsSync(file));
  }

  #isInTree(path: string): boolean {
    if (path === this.#root) return true;
    if (!path.startsWith(`${this.#root}${sep}`)) return false;
    return !dirname(path).slice(this.#root.length).split(sep).some(isIgnored);
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // Gone again, or not ours to read: then the build cannot read it either, and says so if it wants to.
    return [];
  }
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function explain(error: NodeJS.ErrnoException, folder: string): Error {
  if (error.code === 'ENOSPC' || error.code === 'EMFILE') {
    const what = error.code === 'ENOSPC' ? 'max_user_watches' : 'max_user_instances';
    const why = `cannot watch ${folder}: this machine watches as many files as it may`;
    return new Error(`${why}. Allow more: sysctl fs.inotify.${what}=524288`, { cause: error });
  }
  return new Error(`cannot watch ${folder}: ${error.message}`, { cause: error });
}

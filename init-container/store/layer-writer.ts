import { chmod, lchown, link, lstat, lutimes, mkdir, open, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Header } from 'tar-stream';
import { run } from '../native/run.ts';
import { setXattr } from '../native/xattr.ts';
import { parseEntryPath, quoted, safePath } from './entry-path.ts';
import { errorCode, StoreError } from './errors.ts';
import { attributesOf, type EntryAttributes } from './tar-header.ts';

/** What a wrong layer can make the file system say; other errors are the device's own trouble. */
const codesOfBadLayers = new Set([
  'ENOENT',
  'ENOTDIR',
  'EEXIST',
  'EISDIR',
  'ENAMETOOLONG',
  'EINVAL',
  'ELOOP',
  'EMLINK',
]);

/**
 * Writes a layer's tar entries into a folder that nobody else writes to, as overlayfs wants them.
 *
 * Nothing is ever written through a link of the layer: every folder an entry lies in was made by this writer (it keeps
 * the list), and the entry's own name is created anew, never opened.
 */
export class LayerWriter {
  readonly #root: string;
  /** Folders in the layer and the time each gets at the end, when nothing is put into it any more. */
  readonly #folders = new Map<string, Date>([['', new Date(0)]]);
  readonly #whiteouts = new Set<string>();

  /** `root`: an existing, empty folder. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Rejects with a `StoreError` (invalid) for an entry that no layer may have. Reads `body` only for files. */
  async add(header: Header, body: AsyncIterable<unknown>): Promise<void> {
    try {
      const entry = parseEntryPath(header.name);
      if (entry.kind === 'whiteout') await this.#addWhiteout(entry.path);
      else if (entry.kind === 'opaque') await this.#addOpaque(entry.path);
      else if (entry.kind === 'entry') await this.#addEntry(entry.path, header, body);
    } catch (error) {
      const code = errorCode(error);
      if (error instanceof StoreError || code === undefined || !codesOfBadLayers.has(code)) throw error;
      throw new StoreError('invalid', `the layer's entry ${quoted(header.name)} cannot be unpacked (${code})`, error);
    }
  }

  /** To be called once, after the last entry. */
  async finish(): Promise<void> {
    for (const [path, time] of this.#folders) await lutimes(join(this.#root, path), time, time);
  }

  async #addEntry(path: string, header: Header, body: AsyncIterable<unknown>): Promise<void> {
    const attributes = attributesOf(header);
    if (header.type === 'directory') return this.#addFolder(path, attributes);
    if (path === '')
      throw new StoreError('invalid', `the layer's root is not a folder but a ${header.type ?? 'thing'}`);
    const full = await this.#makeRoom(path);
    switch (header.type) {
      case 'file':
      case 'contiguous-file':
        await writeNewFile(full, body);
        break;
      case 'symlink':
        await symlink(linkTarget(header), full);
        break;
      case 'link':
        // Owner, mode and times are those of the file it is another name of.
        return this.#addHardLink(path, full, linkTarget(header));
      case 'character-device':
      case 'block-device':
      case 'fifo':
        await makeNode(full, header.type, header.devmajor, header.devminor);
        break;
      default:
        throw new StoreError(
          'invalid',
          `the layer's entry ${quoted(header.name)} is of a kind that layers do not have`,
        );
    }
    await this.#apply(full, attributes, header.type !== 'symlink');
    await lutimes(full, attributes.time, attributes.time);
  }

  async #addFolder(path: string, attributes: EntryAttributes): Promise<void> {
    const full = join(this.#root, path);
    if (!this.#folders.has(path)) {
      const hidesLower = this.#whiteouts.has(path);
      await mkdir(await this.#makeRoom(path));
      if (hidesLower) await this.#markOpaque(path);
    }
    this.#folders.set(path, attributes.time);
    await this.#apply(full, attributes, true);
  }

  async #addHardLink(path: string, full: string, name: string): Promise<void> {
    const target = safePath(name, 'hard link to');
    const parent = parentOf(target);
    if (target === path || !this.#folders.has(parent) || this.#folders.has(target) || this.#whiteouts.has(target)) {
      throw new StoreError(
        'invalid',
        `the layer's hard link ${quoted(path)} is to ${quoted(name)}, not a file before it`,
      );
    }
    await link(join(this.#root, target), full);
  }

  async #addWhiteout(path: string): Promise<void> {
    // The layer has this name too: its own entry counts, and a folder must not let the lower one shine through.
    if (this.#folders.has(path)) return this.#markOpaque(path);
    const full = await this.#parentOf(path);
    if (await isThere(full)) return;
    await makeNode(full, 'character-device', 0, 0);
    this.#whiteouts.add(path);
  }

  async #addOpaque(path: string): Promise<void> {
    if (path !== '') await this.#ensureFolder(path);
    await this.#markOpaque(path);
  }

  async #markOpaque(path: string): Promise<void> {
    await setXattr(join(this.#root, path), 'trusted.overlay.opaque', Buffer.from('y'));
  }

  /** The full name of `path`, free to be created: its folder exists, and what had the name before is gone. */
  async #makeRoom(path: string): Promise<string> {
    const full = await this.#parentOf(path);
    if (!this.#whiteouts.delete(path) && !(await isThere(full))) return full;
    await rm(full, { recursive: true, force: true });
    if (this.#folders.delete(path)) {
      for (const known of [this.#folders, this.#whiteouts]) {
        for (const name of known.keys()) if (name.startsWith(`${path}/`)) known.delete(name);
      }
    }
    return full;
  }

  async #parentOf(path: string): Promise<string> {
    await this.#ensureFolder(parentOf(path));
    return join(this.#root, path);
  }

  /** Makes the folder and those above it, as tars may leave them out; refuses to go through anything else. */
  async #ensureFolder(path: string): Promise<void> {
    if (this.#folders.has(path)) return;
    const full = await this.#parentOf(path);
    if (this.#whiteouts.delete(path)) {
      await rm(full);
      await mkdir(full);
      await this.#markOpaque(path);
    } else {
      if (await isThere(full)) {
        throw new StoreError(
          'invalid',
          `the layer writes below ${quoted(path)}, which is a link or a file in this layer`,
        );
      }
      await mkdir(full);
    }
    await chmod(full, 0o755);
    this.#folders.set(path, new Date(0));
  }

  async #apply(full: string, attributes: EntryAttributes, hasMode: boolean): Promise<void> {
    // In this order: a change of owner takes setuid bits and capabilities away.
    await lchown(full, attributes.uid, attributes.gid);
    if (hasMode) await chmod(full, attributes.mode);
    if (attributes.capabilities) await setXattr(full, 'security.capability', attributes.capabilities);
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

async function isThere(full: string): Promise<boolean> {
  try {
    await lstat(full);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Exclusive creation: fails on anything that has the name, a link too. */
async function writeNewFile(full: string, body: AsyncIterable<unknown>): Promise<void> {
  const handle = await open(full, 'wx', 0o600);
  try {
    for await (const chunk of body) {
      if (chunk instanceof Uint8Array) await handle.writeFile(chunk);
    }
  } finally {
    await handle.close();
  }
}

function linkTarget(header: Header): string {
  const target = header.linkname ?? '';
  if (target === '' || target.includes('\0') || target.includes('\uFFFD')) {
    throw new StoreError('invalid', `the layer's link ${quoted(header.name)} has no target that a name can be`);
  }
  return target;
}

const nodeLetters = { 'character-device': 'c', 'block-device': 'b', fifo: 'p' } as const;

/** Node cannot make these; busybox can. A device 0:0 is overlayfs' whiteout. */
async function makeNode(full: string, type: keyof typeof nodeLetters, major: number, minor: number): Promise<void> {
  if (!(major >= 0 && major <= 0xfff && minor >= 0 && minor <= 0xfffff)) {
    throw new StoreError('invalid', `the layer has a device with the numbers ${major}:${minor}, which cannot be`);
  }
  const numbers = type === 'fifo' ? [] : [String(major), String(minor)];
  const { code, stderr } = await run(['busybox', 'mknod', full, nodeLetters[type], ...numbers]);
  if (code === 0) return;
  const error = new Error(`cannot make a ${type} in a layer: ${stderr.trim() || 'mknod was killed'}`);
  throw /no space left|quota exceeded/i.test(stderr) ? Object.assign(error, { code: 'ENOSPC' }) : error;
}

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hexOf, isDigest } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { readIfThere, writeFileDurably } from './durable.ts';
import { messageOf } from './errors.ts';
import { treeDigest } from './tree-digest.ts';

/**
 * What each unpacked layer must be: the digest of its tree, noted when it was unpacked from the right bytes. A layer's own
 * digest is over its tar, which is gone. Each layer is read once in a boot, before it is used for the first time; which
 * ones were is noted where it is forgotten at power-off, so that a restart of this process costs nothing.
 */
export class LayerSeals {
  readonly #folder: string;
  readonly #checkedNote: string | undefined;
  readonly #checked: Set<string>;

  /** `checkedNote`: a file on a tmpfs; without, what was checked is known to this process only. */
  constructor(folder: string, checkedNote: string | undefined) {
    this.#folder = folder;
    this.#checkedNote = checkedNote;
    this.#checked = new Set(checkedNote === undefined ? [] : linesOf(checkedNote));
  }

  /** Notes what the tree below `tree` is now. On the disk before it resolves. */
  async write(diffId: Digest, tree: string): Promise<void> {
    await writeFileDurably(this.#pathOf(diffId), await treeDigest(tree));
    this.#note(diffId);
  }

  /** Why the layer unpacked in `tree` is not whole; undefined when it is, or was found to be in this boot. */
  async flawOf(diffId: Digest, tree: string): Promise<string | undefined> {
    if (this.#checked.has(hexOf(diffId))) return undefined;
    try {
      const expected = await readIfThere(this.#pathOf(diffId));
      if (expected === undefined || !isDigest(expected)) return 'the digest of its files is lost';
      const found = await treeDigest(tree);
      if (found !== expected) return `its files have the digest ${found} instead of ${expected}`;
    } catch (error) {
      return `its files cannot be read: ${messageOf(error)}`;
    }
    this.#note(diffId);
    return undefined;
  }

  async remove(diffId: Digest): Promise<void> {
    this.#checked.delete(hexOf(diffId));
    await rm(this.#pathOf(diffId), { recursive: true, force: true });
  }

  #note(diffId: Digest): void {
    this.#checked.add(hexOf(diffId));
    if (this.#checkedNote === undefined) return;
    mkdirSync(dirname(this.#checkedNote), { recursive: true });
    appendFileSync(this.#checkedNote, `${hexOf(diffId)}\n`);
  }

  #pathOf(diffId: Digest): string {
    return join(this.#folder, hexOf(diffId));
  }
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

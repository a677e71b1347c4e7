import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { hexOf } from '../shared/oci/digest.ts';
import type { Digest } from '../shared/oci/types.ts';
import { cacheDir, produceFile } from './cache.ts';

/** In bytes; what was made longest ago goes first. */
const bound = 4 * 2 ** 30;

/**
 * Files of composed images, by their SHA-256: what a device runs is what the next image is compared with, also when its folder was
 * built again since. Nothing here is needed: without it more travels.
 */
export class KeptFiles {
  readonly #dir: string;

  constructor(dir = cacheDir('transfer', 'images')) {
    this.#dir = dir;
  }

  /** Takes no room as long as the file stays, where a file can have two names. A host whose disk is full does without. */
  async keep(path: string, digest?: Digest): Promise<void> {
    try {
      const target = this.#path(digest ?? (await digestOfFile(path)));
      if (await stat(target).catch(() => undefined)) return;
      await produceFile(target, (temporary) => link(path, temporary).catch(() => copyFile(path, temporary)));
      await this.#prune(target);
    } catch {
      // What is not kept is sent whole.
    }
  }

  /** A file with exactly these bytes: whoever wrote to the folder that it came from may have written to it. */
  async find(digest: Digest): Promise<string | undefined> {
    const path = this.#path(digest);
    try {
      if ((await digestOfFile(path)) === digest) return path;
      await rm(path, { force: true });
    } catch {
      // There is none.
    }
    return undefined;
  }

  #path(digest: Digest): string {
    return join(this.#dir, hexOf(digest));
  }

  async #prune(keep: string): Promise<void> {
    const files = await Promise.all(
      (await readdir(this.#dir)).map(async (name) => {
        const path = join(this.#dir, name);
        const found = await stat(path).catch(() => undefined);
        return { path, bytes: found?.size ?? 0, at: found?.mtimeMs ?? 0 };
      }),
    );
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of files.toSorted((a, b) => a.at - b.at)) {
      if (total <= bound) return;
      if (path === keep) continue;
      await rm(path, { force: true });
      total -= bytes;
    }
  }
}

export async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 256 << 10 }), hash);
  return `sha256:${hash.digest('hex')}`;
}

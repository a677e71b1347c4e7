import { type FileHandle, lstat, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf, isDigest } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { formatBytes } from '../../src/shared/text/format.ts';
import { faultPoint } from '../native/fault-point.ts';
import { ensureFolder, syncDirectory } from './durable.ts';
import { errorCode, StoreError } from './errors.ts';

/** What is lost at most when the power fails; on a slow line it is what came in `syncMs`. */
const blockBytes = 64 << 10;
const syncMs = 250;
/** Begun and not used. The one that nobody has written to for longest goes for a ninth. */
const mostUploads = 8;
/** Nobody will go on with one that nobody has written to for so long. */
const staleMs = 7 * 24 * 3_600_000;
/** Who asked for an offset is about to go on from there. */
const askedMs = 10 * 60_000;

/** Where a piece of a blob belongs. All in bytes. */
export interface UploadPiece {
  offset: number;
  /** Of the whole blob. */
  length: number;
  /** Ends the sending of this piece: somebody sends the same blob on another connection now. */
  displace: () => void;
}

interface Writer {
  displace: () => void;
  ended: Promise<unknown>;
}

/**
 * Blobs that arrive in parts: one file each, named by the digest that the whole blob will have. What has arrived stays over
 * an end of this process and a power cut. Contents are not checked here: whoever uses a blob checks its digest.
 */
export class Uploads {
  readonly #folder: string;
  readonly #writers = new Map<Digest, Writer>();
  readonly #askedAt = new Map<Digest, number>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Removes what is stale, and what is no upload. */
  static async open(folder: string, now = Date.now()): Promise<Uploads> {
    await ensureFolder(folder);
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const file = await lstat(path).catch(() => undefined);
      if (isDigest(`sha256:${name}`) && file?.isFile() && now - file.mtimeMs < staleMs) continue;
      await rm(path, { recursive: true, force: true });
    }
    return new Uploads(folder);
  }

  /** How many bytes of it are here; 0 when there are none. */
  async offset(digest: Digest): Promise<number> {
    const size = await this.#size(digest);
    if (size > 0) this.#askedAt.set(digest, performance.now());
    return size;
  }

  /** Names of those that somebody is sending, or is about to. */
  active(): string[] {
    for (const [digest, at] of this.#askedAt)
      if (performance.now() - at > askedMs && !this.#writers.has(digest)) this.#askedAt.delete(digest);
    return [...new Set([...this.#askedAt.keys(), ...this.#writers.keys()])].map(hexOf);
  }

  /**
   * Takes the bytes of a blob from an offset on, and resolves with how many are here then. Rejects with what `source` says;
   * what came before stays. `StoreError`: refused (not an offset to go on from), invalid (more than the blob has).
   */
  append(digest: Digest, piece: UploadPiece, source: AsyncIterable<Uint8Array>): Promise<number> {
    return this.#alone(digest, piece.displace, () => {
      this.#askedAt.set(digest, performance.now());
      return this.#append(digest, piece, source);
    });
  }

  /** The file that it is in. */
  file(digest: Digest): string {
    return join(this.#folder, hexOf(digest));
  }

  /** Ends the sending of it, should there be one: who sends it asks again then, and learns that it is not wanted any more. */
  remove(digest: Digest): Promise<void> {
    return this.#alone(
      digest,
      () => undefined,
      () => this.#remove(digest),
    );
  }

  /** Removes one for its room, by the name that it has in the folder; not one that is active by now. */
  async collect(name: string): Promise<void> {
    if (!this.active().includes(name)) await this.remove(`sha256:${name}`);
  }

  async #remove(digest: Digest): Promise<void> {
    this.#askedAt.delete(digest);
    await rm(this.file(digest), { force: true });
  }

  /** Nobody else writes or removes it meanwhile; who is about to is displaced. */
  async #alone<T>(digest: Digest, displace: () => void, work: () => Promise<T>): Promise<T> {
    for (let writer = this.#writers.get(digest); writer; writer = this.#writers.get(digest)) {
      writer.displace();
      await writer.ended;
    }
    const done = work();
    const ended = done.catch(() => undefined).finally(() => this.#writers.delete(digest));
    this.#writers.set(digest, { displace, ended });
    await ended;
    return done;
  }

  async #append(digest: Digest, { offset, length }: UploadPiece, source: AsyncIterable<Uint8Array>): Promise<number> {
    const size = await this.#size(digest);
    if (offset > size)
      throw new StoreError('refused', `${size} bytes of ${digest} are here: it cannot go on at ${offset}`);
    if (size === 0) await this.#makePlace();
    const file = await open(this.file(digest), size === 0 ? 'w' : 'r+', 0o600);
    try {
      if (size === 0) await syncDirectory(this.#folder);
      return await receive(file, offset, length, source);
    } finally {
      await file.close();
    }
  }

  async #makePlace(): Promise<void> {
    const names = await readdir(this.#folder);
    const idle = names.filter((name) => !this.#writers.has(`sha256:${name}`));
    const files = await Promise.all(
      idle.map(async (name) => ({
        name,
        at: (await stat(join(this.#folder, name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    const surplus = names.length - mostUploads + 1;
    const oldest = files.toSorted((a, b) => a.at - b.at).slice(0, Math.max(0, surplus));
    if (oldest.length < surplus)
      throw new StoreError('refused', `${mostUploads} uploads are under way on this device; try again later`);
    for (const { name } of oldest) if (!this.#writers.has(`sha256:${name}`)) await this.remove(`sha256:${name}`);
  }

  async #size(digest: Digest): Promise<number> {
    try {
      return (await stat(this.file(digest))).size;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 0;
      throw error;
    }
  }
}

/** Writes at once, so that the end of this process loses nothing that came, and syncs in blocks. */
async function receive(
  file: FileHandle,
  offset: number,
  length: number,
  source: AsyncIterable<Uint8Array>,
): Promise<number> {
  let at = offset;
  let unsynced = 0;
  let syncedAt = performance.now();
  const sync = async () => {
    if (unsynced === 0) return;
    await file.datasync();
    unsynced = 0;
    syncedAt = performance.now();
    await faultPoint('upload block');
  };
  try {
    for await (const chunk of source) {
      if (at + chunk.length > length)
        throw new StoreError('invalid', `more was sent than the ${formatBytes(length)} that the blob has`);
      for (let start = 0; start < chunk.length; ) {
        const part = chunk.subarray(start, start + blockBytes - unsynced);
        await writeAll(file, part, at);
        at += part.length;
        start += part.length;
        unsynced += part.length;
        if (unsynced === blockBytes || performance.now() - syncedAt > syncMs) await sync();
      }
    }
  } finally {
    await sync();
  }
  return at;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

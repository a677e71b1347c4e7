import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { UpgradeImage } from '../../src/shared/api/types.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { StoreError } from '../store/errors.ts';

/** Splits the stream into the image's files and checks each against its digest. */
export async function writeFiles(
  folder: string,
  image: UpgradeImage,
  source: AsyncIterable<Uint8Array>,
): Promise<void> {
  const chunks = new Chunks(source);
  try {
    for (const file of image.files) await writeFile(folder, file, chunks);
  } finally {
    await chunks.close();
  }
}

type ImageFile = UpgradeImage['files'][number];

async function writeFile(folder: string, { name, size, digest }: ImageFile, chunks: Chunks): Promise<void> {
  const file = await open(join(folder, name), 'wx', 0o600);
  const hash = createHash('sha256');
  try {
    for (let left = size; left > 0; ) {
      const part = await chunks.next(left);
      if (!part) throw new StoreError('invalid', `the image ends in the middle of ${name}; nothing was changed`);
      left -= part.length;
      hash.update(part);
      await file.writeFile(part);
    }
  } finally {
    await file.close();
  }
  if (`sha256:${hash.digest('hex')}` !== digest)
    throw new StoreError('invalid', `${name} of the image is not what its digest says; nothing was changed`);
}

/** Whether the files in a folder are those of an image. */
export async function isWhole(folder: string, image: UpgradeImage): Promise<boolean> {
  for (const { name, size, digest } of image.files) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== size || (await digestOfBytes(path, size)) !== digest) return false;
  }
  return true;
}

/** Of the first `size` bytes of a file or a device. One buffer for all: what is thrown away for each piece adds up. */
export async function digestOfBytes(path: string, size: number): Promise<Digest> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(256 << 10);
  const file = await open(path);
  try {
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
      if (bytesRead === 0) throw new Error(`${path} has fewer than ${size} bytes`);
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return `sha256:${hash.digest('hex')}`;
}

/** A stream in pieces that are no longer than asked for. */
export class Chunks {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** To be called when nothing more is wanted. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  /** At least a byte; undefined at the end. */
  async next(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done) return undefined;
      this.#rest = next.value;
    }
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }
}

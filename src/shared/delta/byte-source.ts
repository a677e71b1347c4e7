import { type FileHandle, open } from 'node:fs/promises';
import { DeltaError } from './errors.ts';

/** Bytes that can be read at any place. */
export interface ByteSource {
  readonly size: number;
  /** Fills as much of `into` as there is from `position` on, and says how much that was; 0 only at the end. */
  read(into: Buffer, position: number): Promise<number>;
  close(): Promise<void>;
}

export function bufferSource(bytes: Buffer): ByteSource {
  return {
    size: bytes.length,
    read: async (into, position) => bytes.copy(into, 0, position),
    close: async () => undefined,
  };
}

/** `size` bytes of an open file from `offset` on. Whoever opened the file closes it. */
export function fileSource(handle: FileHandle, offset: number, size: number): ByteSource {
  return {
    size,
    async read(into, position) {
      const length = Math.min(into.length, size - position);
      if (length <= 0) return 0;
      return (await handle.read(into, 0, length, offset + position)).bytesRead;
    },
    close: async () => undefined,
  };
}

/** All of a file, which closing it closes. */
export async function openFile(path: string): Promise<ByteSource> {
  const file = await open(path);
  const { size } = await file.stat();
  return { ...fileSource(file, 0, size), close: () => file.close() };
}

/** Exactly `length` bytes. Throws a `DeltaError` (base) when they are not there, which names `what`. */
export async function readExactly(source: ByteSource, position: number, length: number, what: string): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  await fillExactly(bytes, source, position, what);
  return bytes;
}

/** All of `bytes`, from `position` on. Throws a `DeltaError` (base) when they are not there, which names `what`. */
export async function fillExactly(bytes: Buffer, source: ByteSource, position: number, what: string): Promise<void> {
  for (let filled = 0; filled < bytes.length; ) {
    const count = await source.read(bytes.subarray(filled), position + filled);
    if (count === 0) throw new DeltaError('base', `${what} is shorter than it was`);
    filled += count;
  }
}

/** Several sources, one behind the other, as one. Closing it closes them. */
export function joinedSource(sources: readonly ByteSource[]): ByteSource {
  const ends: number[] = [];
  for (const { size } of sources) ends.push((ends.at(-1) ?? 0) + size);
  return {
    size: ends.at(-1) ?? 0,
    async read(into, position) {
      const index = ends.findIndex((end) => position < end);
      const source = sources[index];
      const end = ends[index];
      if (!source || end === undefined) return 0;
      return source.read(into.subarray(0, end - position), position - (end - source.size));
    },
    async close() {
      for (const source of sources) await source.close();
    },
  };
}

/** Longest piece that content is read and passed on in. */
export const CHUNK = 64 * 1024;

export async function* wholeOf(source: ByteSource, what: string): AsyncGenerator<Buffer> {
  for (let at = 0; at < source.size; at += CHUNK) {
    yield await readExactly(source, at, Math.min(CHUNK, source.size - at), what);
  }
}

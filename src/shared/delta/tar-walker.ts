import { BLOCK, readHeader, readLongPath, readPax } from './tar-header.ts';

/** Longer extension bodies are passed on like all others, but not read. */
const LONGEST_EXTENSION = 1024 * 1024;
/** How far behind the last header sizes may reach before positions are no longer exact numbers. */
const HIGHEST_POSITION = Number.MAX_SAFE_INTEGER - BLOCK;

/** Who is told what a tar is made of, in the order of its bytes. Chunks are only lent: copy what is to be kept. */
export interface TarParts {
  /** Bytes that are no content of a regular file. */
  meta(bytes: Buffer): void;
  /** Bytes of `size` > 0 follow, unless the tar ends before. `path` is as the entry says, decoded as UTF-8. */
  contentStart(path: string, size: number): void;
  content(bytes: Buffer): void;
  contentEnd(): void;
}

/**
 * Divides a tar that streams through into the contents of its regular files and the rest. Never fails: from the first block on that
 * it does not understand, all is rest. What it does depends on the bytes before alone, not on how they were cut into chunks, and on
 * the rest alone, not on the contents: so the rest without the contents is divided in the same places (`withoutContents`).
 */
export class TarWalker {
  readonly #parts: TarParts;
  readonly #withoutContents: boolean;
  readonly #header = Buffer.alloc(BLOCK);
  #headerFilled = 0;
  #state: 'header' | 'extension' | 'body' | 'content' | 'lost' = 'header';
  /** Bytes of the present body or content still to come, and of the padding behind it. */
  #left = 0;
  #padding = 0;
  #extension: { kind: 'pax' | 'long-path'; body: Buffer[] } | undefined;
  #next: { path?: string; size?: number } = {};

  constructor(parts: TarParts, withoutContents = false) {
    this.#parts = parts;
    this.#withoutContents = withoutContents;
  }

  /** Bytes of the present content that are still missing; more than 0 at the end of a tar that was cut off there. */
  get missing(): number {
    return this.#state === 'content' ? this.#left : 0;
  }

  push(chunk: Uint8Array): void {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (rest.length > 0) rest = rest.subarray(this.#take(rest));
  }

  /** How many bytes of `chunk` it used: at least 1. */
  #take(chunk: Buffer): number {
    if (this.#state === 'header') return this.#takeHeader(chunk);
    const length = this.#state === 'lost' ? chunk.length : Math.min(this.#left, chunk.length);
    const bytes = chunk.subarray(0, length);
    if (this.#state === 'content') this.#parts.content(bytes);
    else this.#parts.meta(bytes);
    if (this.#state === 'extension') this.#extension?.body.push(Buffer.from(bytes));
    if (this.#state !== 'lost') {
      this.#left -= length;
      if (this.#left === 0) this.#bodyEnded();
    }
    return length;
  }

  #takeHeader(chunk: Buffer): number {
    const used = chunk.copy(this.#header, this.#headerFilled);
    this.#parts.meta(chunk.subarray(0, used));
    this.#headerFilled += used;
    if (this.#headerFilled === BLOCK) {
      this.#headerFilled = 0;
      this.#headerEnded();
    }
    return used;
  }

  #headerEnded(): void {
    const header = readHeader(this.#header);
    if (header === 'end') return;
    if (header === undefined) {
      this.#state = 'lost';
      return;
    }
    const isExtension = header.kind === 'pax' || header.kind === 'long-path';
    const size = header.kind === 'folder' ? 0 : isExtension ? header.size : (this.#next.size ?? header.size);
    if (size > HIGHEST_POSITION) {
      this.#state = 'lost';
      return;
    }
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (isExtension) {
      this.#state = size > LONGEST_EXTENSION ? 'body' : 'extension';
      this.#extension = { kind: header.kind === 'pax' ? 'pax' : 'long-path', body: [] };
    } else {
      this.#entry(header.kind === 'file', this.#next.path ?? header.path, size);
      this.#next = {};
    }
    if (this.#left === 0 && this.#state !== 'header') this.#bodyEnded();
  }

  #entry(isFile: boolean, path: string, size: number): void {
    if (size === 0) return;
    if (!isFile) {
      this.#state = 'body';
      return;
    }
    this.#state = 'content';
    this.#parts.contentStart(path, size);
    if (this.#withoutContents) this.#left = 0;
  }

  #bodyEnded(): void {
    if (this.#state === 'content') this.#parts.contentEnd();
    if (this.#state === 'extension') this.#readExtension();
    this.#left = this.#padding;
    this.#padding = 0;
    this.#state = this.#left > 0 ? 'body' : 'header';
  }

  #readExtension(): void {
    if (!this.#extension) return;
    const body = Buffer.concat(this.#extension.body);
    if (this.#extension.kind === 'pax') this.#next = { ...this.#next, ...readPax(body) };
    else this.#next.path = readLongPath(body);
    this.#extension = undefined;
  }
}

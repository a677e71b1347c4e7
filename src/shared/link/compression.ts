import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ByteWriter } from './bytes.ts';

/**
 * A stream whose bytes travel in blocks, each compressed against what was sent before where that makes it smaller, else
 * as it is. A list that is asked for again costs what changed in it. Each block: its type, its length, its bytes.
 */
const types = { raw: 0, compressed: 1 } as const;
/** Of the text in a compressed block, at most: it is shown only once all of the block is here. */
const BLOCK = 8 * 1024;
/** What both sides remember for later blocks. */
const HISTORY = 64 * 1024;
/** A raw block of at most this enters the history too: short lines are alike, though none of them compresses alone. */
const SHORT_RAW = 1024;
/** Every frame of zstd begins with these, so they need not travel. */
const MAGIC = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
/** After a block that did not shrink so many are not tried, then twice as many: most of what does not shrink never will. */
const MOST_SKIPPED = 32;
const LEVEL = 6;

/** Whether this Node can: older ones lack zstd, or ignore its dictionary without saying so. */
export const canCompress = ((): boolean => {
  const sample = Buffer.from(Array.from({ length: 512 }, (_, index) => (index * index * 31) >> 3));
  if (typeof zstdCompressSync !== 'function') return false;
  return compress(sample, sample).length < sample.length / 4;
})();

function compress(text: Buffer, history: Buffer): Buffer {
  const params = { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_contentSizeFlag]: 0 };
  return zstdCompressSync(text, { params, dictionary: history }).subarray(MAGIC.length);
}

class History {
  bytes: Buffer = Buffer.alloc(0);

  add(text: Buffer): void {
    const kept = this.bytes.subarray(Math.max(0, this.bytes.length + text.length - HISTORY));
    this.bytes = Buffer.concat([kept, text]);
  }
}

/** The sending half. */
export class BlockEncoder {
  readonly #history = new History();
  #toSkip = 0;
  #skipped = 1;

  encode(data: Buffer): Buffer {
    const writer = new ByteWriter();
    for (let from = 0; from < data.length; ) {
      const isSkipped = this.#toSkip > 0 && data.length - from > SHORT_RAW;
      const end = Math.min(data.length, from + BLOCK);
      const text = data.subarray(from, end);
      from = end;
      if (isSkipped) {
        this.#toSkip -= 1;
        this.#raw(writer, text);
        continue;
      }
      const compressed = compress(text, this.#history.bytes);
      const shrinks = compressed.length < text.length;
      if (text.length > SHORT_RAW) {
        this.#toSkip = shrinks ? 0 : this.#skipped;
        this.#skipped = shrinks ? 1 : Math.min(MOST_SKIPPED, this.#skipped * 2);
      }
      if (!shrinks) {
        this.#raw(writer, text);
        continue;
      }
      writer.u8(types.compressed).varint(compressed.length).raw(compressed);
      this.#history.add(text);
    }
    return writer.finish();
  }

  #raw(writer: ByteWriter, text: Buffer): void {
    writer.u8(types.raw).varint(text.length).raw(text);
    if (text.length <= SHORT_RAW) this.#history.add(text);
  }
}

/** The receiving half. Keeps one compressed block and the history at most. */
export class BlockDecoder {
  readonly #history = new History();
  #held: Buffer = Buffer.alloc(0);
  /** Bytes of a long raw block that are still to come: they are passed on as they arrive. */
  #passing = 0;

  /** Whether a block is complete, so that the stream may end here. */
  get isBetweenBlocks(): boolean {
    return this.#held.length === 0 && this.#passing === 0;
  }

  /** Returns what became readable. Throws on what no encoder makes. */
  push(data: Buffer): Buffer[] {
    let rest = this.#held.length === 0 ? data : Buffer.concat([this.#held, data]);
    const texts: Buffer[] = [];
    while (rest.length > 0) {
      if (this.#passing > 0) {
        const part = rest.subarray(0, this.#passing);
        this.#passing -= part.length;
        rest = rest.subarray(part.length);
        texts.push(part);
        continue;
      }
      const head = readHead(rest);
      if (!head) break;
      if (head.type === types.raw && head.length > SHORT_RAW) {
        this.#passing = head.length;
        rest = rest.subarray(head.size);
        continue;
      }
      const end = head.size + head.length;
      if (rest.length < end) break;
      const text = this.#block(head.type, rest.subarray(head.size, end));
      this.#history.add(text);
      texts.push(text);
      rest = rest.subarray(end);
    }
    this.#held = Buffer.from(rest);
    return texts;
  }

  #block(type: number, bytes: Buffer): Buffer {
    if (type === types.raw) return bytes;
    return zstdDecompressSync(Buffer.concat([MAGIC, bytes]), {
      dictionary: this.#history.bytes,
      maxOutputLength: BLOCK,
    });
  }
}

/** Type and length of a block and how many bytes they take; undefined when they are not all here. */
function readHead(bytes: Buffer): { type: number; length: number; size: number } | undefined {
  const type = bytes[0] ?? 0;
  if (type !== types.raw && type !== types.compressed) throw new Error(`a block of unknown type ${type}`);
  let length = 0;
  for (let index = 1; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    length += (byte & 0x7f) << (7 * (index - 1));
    if (length > BLOCK) throw new Error(`a block of more than ${BLOCK} bytes`);
    if (byte < 0x80) return { type, length, size: index + 1 };
    if (index === 3) throw new Error('a block without a length');
  }
  return undefined;
}

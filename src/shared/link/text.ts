import { LINE_FEED } from './frame.ts';

/**
 * How many leading bytes are complete UTF-8 (control characters included: people type them). A sequence cut at the end
 * of `bytes` does not count.
 */
export function textPrefix(bytes: Uint8Array): number {
  let index = 0;
  while (index < bytes.length) {
    const byte = bytes[index] ?? 0;
    const length =
      byte < 0x80
        ? 1
        : byte >= 0xc2 && byte < 0xe0
          ? 2
          : byte >= 0xe0 && byte < 0xf0
            ? 3
            : byte >= 0xf0 && byte < 0xf5
              ? 4
              : 0;
    if (length === 0 || index + length > bytes.length) return index;
    for (let next = 1; next < length; next += 1) {
      if (((bytes[index + next] ?? 0) & 0xc0) !== 0x80) return index;
    }
    index += length;
  }
  return index;
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0d || byte === LINE_FEED || byte === 0x1b;
}

const kernelStamp = /\[ *\d+\.\d{6}\]/;

/**
 * The text that was printed into a frame that cannot be used: all of it when all of it is text (then START was noise),
 * else of each line that ends in a line feed, which a frame never contains, what follows its stamp or is printable.
 */
export function salvageText(stuffed: Buffer): Buffer {
  if (textPrefix(stuffed) === stuffed.length) return stuffed;
  const runs: Buffer[] = [];
  let from = 0;
  for (let end = stuffed.indexOf(LINE_FEED); end >= 0; end = stuffed.indexOf(LINE_FEED, from)) {
    const part = stuffed.subarray(from, end + 1);
    const stamp = kernelStamp.exec(part.toString('latin1'));
    let start = stamp?.index ?? part.length - 1;
    if (!stamp) while (start > 0 && isPrintable(part[start - 1] ?? 0)) start -= 1;
    runs.push(part.subarray(start));
    from = end + 1;
  }
  return Buffer.concat(runs);
}

/** Whether at least three of four bytes can be read. */
export function isMostlyReadable(text: Buffer): boolean {
  return text.filter(isPrintable).length * 4 >= text.length * 3;
}

const WATCHED_TEXT = 32;

/** Tells, of what comes in pieces, whether it can be read: a line at another speed gives bytes that nobody printed. */
export class ReadableText {
  #recent: Buffer = Buffer.alloc(0);

  /** Whether the last 32 bytes are text; of fewer nothing can be said. */
  push(text: Buffer): boolean {
    this.#recent = Buffer.concat([this.#recent, text]).subarray(-WATCHED_TEXT);
    return this.#recent.length === WATCHED_TEXT && this.#recent.every(isPrintable);
  }
}

import { type ByteSource, CHUNK, fillExactly } from './byte-source.ts';
import { type AddData, damaged } from './format.ts';
import type { StreamReader } from './stream-reader.ts';

/** Bytes of one change. */
const WORD = 4;

/** A part of a source that is in memory, moved along as it is used: steps are often short, and reading a file for each would be slow. */
class Window {
  readonly #source: ByteSource;
  /** Used again and again: what is thrown away for each piece adds up until it is collected. */
  readonly #room = Buffer.allocUnsafe(CHUNK);
  #bytes = this.#room.subarray(0, 0);
  #from = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** How many bytes from `place` on are in memory. */
  held(place: number): number {
    const within = place - this.#from;
    return within < 0 ? 0 : Math.max(0, this.#bytes.length - within);
  }

  async load(place: number): Promise<void> {
    this.#bytes = this.#room.subarray(0, this.#source.size - place);
    this.#from = place;
    await fillExactly(this.#bytes, this.#source, place, 'a content that the difference builds on');
  }

  copy(into: Buffer, at: number, place: number, length: number): void {
    this.#bytes.copy(into, at, place - this.#from, place - this.#from + length);
  }
}

/**
 * Makes `size` bytes from pieces of `base` and changes of them (`AddData`). Holds a chunk of each; every step makes at least a byte, so
 * that it ends. Throws a `DeltaError` (invalid) when a step leads out of the base or makes more than `size`.
 */
export async function* applyAdd(
  base: ByteSource,
  { steps, gaps, words, extra }: AddData<StreamReader>,
  size: number,
): AsyncGenerator<Buffer> {
  const window = new Window(base);
  let out = Buffer.allocUnsafe(CHUNK);
  let filled = 0;
  // Waiting where nothing has to be waited for would cost more than all the rest, hence no function for these two lines.
  if (!gaps.isReady) await gaps.ready();
  let gap = nextGap(gaps);
  let place = 0;
  let left = size;
  while (left > 0) {
    if (!steps.isReady) await steps.ready();
    place += unzigzag(steps.varint());
    let add = steps.varint();
    let copy = steps.varint();
    if (add + copy === 0 || add + copy > left)
      throw damaged('a step of it makes more than there is to make, or nothing');
    if (add > 0 && (place < 0 || place + add > base.size)) throw damaged('a step of it leads out of what it builds on');
    left -= add + copy;
    while (add > 0) {
      if (CHUNK - filled < WORD) {
        yield out.subarray(0, filled);
        out = Buffer.allocUnsafe(CHUNK);
        filled = 0;
      }
      if (window.held(place) < Math.min(WORD, add)) await window.load(place);
      let length = Math.min(add, CHUNK - filled, window.held(place));
      window.copy(out, filled, place, length);
      let at = 0;
      while (gap < length - at) {
        const width = Math.min(WORD, add - at - gap);
        // A change that the piece cuts in two begins the next one.
        if (width > length - at - gap) length = at + gap;
        else {
          at += gap;
          if (!words.isReady) await words.ready();
          change(out, filled + at, width, words.word());
          at += width;
          if (!gaps.isReady) await gaps.ready();
          gap = nextGap(gaps);
        }
      }
      gap -= length - at;
      filled += length;
      place += length;
      add -= length;
    }
    while (copy > 0) {
      if (filled === CHUNK) {
        yield out;
        out = Buffer.allocUnsafe(CHUNK);
        filled = 0;
      }
      const bytes = await extra.some(Math.min(copy, CHUNK - filled));
      if (bytes.length === 0) throw damaged('a stream of it ends too early');
      filled += bytes.copy(out, filled);
      copy -= bytes.length;
    }
  }
  if (filled > 0) yield out.subarray(0, filled);
  if (gap !== Number.POSITIVE_INFINITY) throw damaged('a stream of it is longer than what is made of it');
  for (const stream of [steps, words, extra]) await stream.end();
}

function nextGap(gaps: StreamReader): number {
  return gaps.ahead === 0 ? Number.POSITIVE_INFINITY : gaps.varint();
}

function change(bytes: Buffer, at: number, width: number, by: number): void {
  let carry = 0;
  for (let i = 0; i < width; i++) {
    const sum = (bytes[at + i] ?? 0) + ((by >>> (8 * i)) & 0xff) + carry;
    bytes[at + i] = sum;
    carry = sum > 0xff ? 1 : 0;
  }
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

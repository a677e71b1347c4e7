export interface IndexOptions {
  /** Bytes that must agree for a place to be found. */
  seed: number;
  /** Every how many bytes of the old content a seed is in the index. */
  step: number;
  /** How many places with the same hash are looked at. */
  depth: number;
}

/** Multiplier of the rolling hash: odd, so that nothing is lost, and with bits everywhere. */
const FACTOR = 0x2c1b3c6d;

/** Finds places in an old content by hashes of its pieces. Takes 4 bytes of memory a piece and up to 64 MiB. */
export class ContentIndex {
  readonly content: Buffer;
  readonly #options: IndexOptions;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #shift: number;

  constructor(content: Buffer, options: IndexOptions) {
    this.content = content;
    this.#options = options;
    const { seed, step } = options;
    const count = Math.max(0, Math.floor((content.length - seed) / step) + 1);
    const bits = Math.min(24, Math.max(8, Math.ceil(Math.log2(count + 1))));
    this.#shift = 32 - bits;
    this.#heads = new Int32Array(2 ** bits).fill(-1);
    this.#next = new Int32Array(count);
    // Where a piece belongs is kept where its neighbour in the chain will be. Then from the end: of equal pieces the first comes first.
    const leaving = powerOf(seed - 1);
    let hash = count > 0 ? hashOf(content, 0, seed) : 0;
    for (let piece = 0; piece < count; piece++) {
      this.#next[piece] = mixed(hash) >>> this.#shift;
      const from = piece * step;
      for (let at = from; at < from + step; at++) {
        hash = (hash - Math.imul(content[at] ?? 0, leaving)) | 0;
        hash = (Math.imul(hash, FACTOR) + (content[at + seed] ?? 0)) | 0;
      }
    }
    for (let piece = count - 1; piece >= 0; piece--) {
      const slot = this.#next[piece] ?? 0;
      this.#next[piece] = this.#heads[slot] ?? -1;
      this.#heads[slot] = piece;
    }
  }

  /** Looks for pieces of `fresh`; fastest for place after place in ascending order. */
  searcher(fresh: Buffer): Searcher {
    const { seed, step, depth } = this.#options;
    const { content } = this;
    const [heads, next, shift] = [this.#heads, this.#next, this.#shift];
    const leaving = powerOf(seed - 1);
    let hashed = -2;
    let hash = 0;
    const searcher = {
      found: 0,
      at(place: number): number {
        if (place + seed > fresh.length) return 0;
        if (place === hashed + 1) {
          hash = (hash - Math.imul(fresh[hashed] ?? 0, leaving)) | 0;
          hash = (Math.imul(hash, FACTOR) + (fresh[hashed + seed] ?? 0)) | 0;
        } else {
          hash = hashOf(fresh, place, seed);
        }
        hashed = place;
        let best = 0;
        let piece = heads[mixed(hash) >>> shift] ?? -1;
        for (let i = 0; i < depth && piece >= 0; i++) {
          const from = piece * step;
          // One that is longer than the best so far agrees where that ended.
          if (best === 0 || content[from + best] === fresh[place + best]) {
            const length = runLength(content, from, fresh, place, fresh.length);
            if (length > best && length >= seed) {
              best = length;
              searcher.found = from;
            }
          }
          piece = next[piece] ?? -1;
        }
        return best;
      },
    };
    return searcher;
  }
}

export interface Searcher {
  /** The length of the longest match at `place`; 0 without any. */
  at(place: number): number;
  /** Where the last match is in the old content. */
  readonly found: number;
}

/** How many bytes agree from the two places on, at most `most`. */
export function runLength(old: Buffer, oldAt: number, fresh: Buffer, freshAt: number, most: number): number {
  if (oldAt < 0) return 0;
  const end = Math.min(most, old.length - oldAt, fresh.length - freshAt);
  let length = 0;
  while (length < end && old[oldAt + length] === fresh[freshAt + length]) length++;
  return length;
}

function hashOf(bytes: Buffer, from: number, length: number): number {
  let hash = 0;
  for (let i = from; i < from + length; i++) hash = (Math.imul(hash, FACTOR) + (bytes[i] ?? 0)) | 0;
  return hash;
}

function powerOf(exponent: number): number {
  let power = 1;
  for (let i = 0; i < exponent; i++) power = Math.imul(power, FACTOR);
  return power;
}

/** Brings what the rolling hash has in its lower bits into the upper ones, which choose the slot. */
function mixed(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2545f491);
}

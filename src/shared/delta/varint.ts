import { DeltaError } from './errors.ts';

/** The longest varint of a safe integer. */
const LONGEST = 8;

/** A number from 0 to `Number.MAX_SAFE_INTEGER`, seven bits a byte, the lowest first. */
export function varint(value: number): Buffer {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no number for a varint`);
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/**
 * Reads numbers and bytes one after the other. Rejects, as `what`, an end that comes too early and any number that is not written
 * in the one way there is for it.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  varint(): number {
    let value = 0;
    for (let i = 0; i < LONGEST; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte >= 0x80) continue;
      if (!Number.isSafeInteger(value) || (byte === 0 && i > 0)) break;
      return value;
    }
    throw new DeltaError('invalid', `${this.#what} is damaged: it has a number that is none`);
  }

  bytes(length: number): Buffer {
    if (length > this.left) throw new DeltaError('invalid', `${this.#what} is damaged: it ends too early`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

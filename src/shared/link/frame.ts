import { crc32 } from 'node:zlib';

/**
 * A frame on the line: START, the stuffed body, the stuffed CRC-32 of the body, END. The three marks never occur in
 * UTF-8 text. Start and end differ, because with a single mark (HDLC, SLIP) one lost mark swaps frames and text.
 * A raw line feed never occurs in a frame: when the kernel prints into one, the inserted run ends in a line feed and can
 * be cut out again.
 */
export const START = 0xf5;
export const END = 0xf6;
export const ESCAPE = 0xc1;
export const LINE_FEED = 0x0a;
const FLIP = 0x20;

/** Bytes of a body at most, before stuffing. */
export const MAX_BODY = 1500;
/** Bytes between START and END at most: a body stuffed throughout, its mask and its CRC. */
export const MAX_STUFFED = 2 * (MAX_BODY + 5);

/**
 * Kinds of bodies that may be masked: with this bit set a byte follows that all others were XORed with, chosen so that
 * few of them have to be stuffed. It saves two thirds of the stuffing.
 */
const MASKABLE = 0xa0;
const MASKED = 0x01;
/** In fewer bytes than this the mask saves less than the byte that it takes. */
const LEAST_MASKED = 64;

/**
 * What is stuffed beside the marks and the line feed. `bare`: nothing. `careful`: also what stops, starts or changes a
 * line with software flow control or a translating adapter (NUL, CR, XON, XOFF). `cooked`: every control character, for
 * a line that may still be in the hands of a terminal.
 */
export type Stuffing = 'bare' | 'careful' | 'cooked';

const marks = [START, END, ESCAPE, LINE_FEED];
const stuffed: Record<Stuffing, number[]> = {
  bare: marks,
  careful: [...marks, 0x00, 0x0d, 0x11, 0x13],
  cooked: [...marks, ...Array.from({ length: 0x20 }, (_, byte) => byte).filter((byte) => byte !== LINE_FEED), 0x7f],
};
const tables: Record<Stuffing, Uint8Array> = {
  bare: table(stuffed.bare),
  careful: table(stuffed.careful),
  cooked: table(stuffed.cooked),
};

function table(bytes: readonly number[]): Uint8Array {
  const flags = new Uint8Array(256);
  for (const byte of bytes) flags[byte] = 1;
  return flags;
}

/** `seed`: see `sessionSeed`. */
export function encodeFrame(body: Buffer, seed: number, stuffing: Stuffing = 'bare'): Buffer {
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body, seed));
  const kind = body[0] ?? 0;
  const isMasked = (kind & 0xe0) === MASKABLE && body.length >= LEAST_MASKED;
  const mask = isMasked ? bestMask(body, check, stuffing) : 0;
  const reserved = tables[stuffing];
  const frame = Buffer.allocUnsafe(3 + 2 * (body.length + 5));
  let length = 0;
  frame[length++] = START;
  frame[length++] = isMasked ? kind | MASKED : kind;
  if (isMasked) frame[length++] = mask;
  for (const part of [body.subarray(1), check]) {
    for (let index = 0; index < part.length; index += 1) {
      const byte = (part[index] ?? 0) ^ mask;
      if (reserved[byte] === 1) {
        frame[length++] = ESCAPE;
        frame[length++] = byte ^ FLIP;
      } else {
        frame[length++] = byte;
      }
    }
  }
  frame[length++] = END;
  return frame.subarray(0, length);
}

/** The mask, itself in need of no stuffing, under which the fewest bytes need it. */
function bestMask(body: Buffer, check: Buffer, stuffing: Stuffing): number {
  const counts = new Uint16Array(256);
  for (const part of [body.subarray(1), check]) {
    for (let index = 0; index < part.length; index += 1) {
      const byte = part[index] ?? 0;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
  }
  let best = 0x20;
  let least = Number.POSITIVE_INFINITY;
  for (let mask = 1; mask < 256 && least > 0; mask += 1) {
    if (tables[stuffing][mask] === 1) continue;
    let cost = 0;
    for (const byte of stuffed[stuffing]) cost += counts[byte ^ mask] ?? 0;
    if (cost < least) {
      least = cost;
      best = mask;
    }
  }
  return best;
}

/** The body and CRC of what stood between START and END; undefined when the stuffing is wrong. */
export function unstuff(bytes: Buffer): { body: Buffer; check: number } | undefined {
  const first = bytes[0] ?? 0;
  const isMasked = (first & 0xe0) === MASKABLE && (first & MASKED) === MASKED;
  const mask = isMasked ? (bytes[1] ?? 0) : 0;
  if (isReserved(first) || tables.bare[mask] === 1) return undefined;
  const plain = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  plain[length++] = isMasked ? first & ~MASKED : first;
  for (let index = isMasked ? 2 : 1; index < bytes.length; index += 1) {
    let byte = bytes[index] ?? 0;
    if (byte === ESCAPE) {
      index += 1;
      byte = (bytes[index] ?? 0) ^ FLIP;
      if (tables.cooked[byte] !== 1) return undefined;
    } else if (isReserved(byte)) {
      return undefined;
    }
    plain[length++] = byte ^ mask;
  }
  if (length < 5 || length > MAX_BODY + 4) return undefined;
  return { body: plain.subarray(0, length - 4), check: plain.readUInt32BE(length - 4) };
}

function isReserved(byte: number): boolean {
  return tables.bare[byte] === 1;
}

/**
 * What the CRC of a session's frames starts from: frames of another session fail by themselves, and so do one's own
 * frames when a terminal on the other side echoes them.
 */
export function sessionSeed(session: number, sender: 'host' | 'device'): number {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(session);
  bytes[4] = sender === 'host' ? 1 : 2;
  return crc32(bytes);
}

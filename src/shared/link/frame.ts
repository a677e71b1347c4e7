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
export const MAX_BODY = 1400;
/** Bytes between START and END at most: a body stuffed throughout, or one with a few kernel lines in it. */
export const MAX_STUFFED = 2 * (MAX_BODY + 4) + 4096;

function mustStuff(byte: number): boolean {
  return byte === START || byte === END || byte === ESCAPE || byte === LINE_FEED;
}

/** A terminal that is not raw yet takes these for commands: an XOFF among them would stop its output for good. */
function isControl(byte: number): boolean {
  return byte < 0x20 || byte === 0x7f;
}

/** `seed`: see `sessionSeed`. `careful`: for a line that may still be in the hands of something else. */
export function encodeFrame(body: Buffer, seed: number, careful = false): Buffer {
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body, seed));
  const frame = Buffer.allocUnsafe(2 + 2 * (body.length + 4));
  let length = 0;
  frame[length++] = START;
  for (const part of [body, check]) {
    for (const byte of part) {
      if (mustStuff(byte) || (careful && isControl(byte))) {
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

/** The body and CRC of what stood between START and END; undefined when the stuffing is wrong. */
export function unstuff(stuffed: Buffer): { body: Buffer; check: number } | undefined {
  const bytes = Buffer.allocUnsafe(stuffed.length);
  let length = 0;
  for (let index = 0; index < stuffed.length; index += 1) {
    let byte = stuffed[index] ?? 0;
    if (byte === ESCAPE) {
      index += 1;
      byte = (stuffed[index] ?? 0) ^ FLIP;
      if (!mustStuff(byte) && !isControl(byte)) return undefined;
    } else if (mustStuff(byte)) {
      return undefined;
    }
    bytes[length++] = byte;
  }
  if (length < 5 || length > MAX_BODY + 4) return undefined;
  return { body: bytes.subarray(0, length - 4), check: bytes.readUInt32BE(length - 4) };
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

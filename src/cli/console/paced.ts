import { setTimeout as delay } from 'node:timers/promises';

/** What a UART can keep while its driver, a boot loader that looks for characters now and then, does something else. */
const FIFO_BYTES = 16;
/** Boot loaders work on a line when it is complete, and lose what comes meanwhile. */
const LINE_MS = 60;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;

export interface Pace {
  /** Of the line; undefined for one without a rate. */
  baud: number | undefined;
  signal: AbortSignal;
}

/** Pieces to send, each with the pause after it in milliseconds. Line ends become what the Enter key sends. */
export function* pacedPieces(text: Buffer, baud: number | undefined): Generator<{ bytes: Buffer; pauseMs: number }> {
  // Half of what the line carries: the other half is for what the device has to do.
  const perByteMs = baud === undefined ? 0 : (2 * 10 * 1000) / baud;
  const typed = asTyped(text);
  let from = 0;
  while (from < typed.length) {
    const end = typed.indexOf(RETURN, from);
    const to = Math.min(end < 0 ? typed.length : end + 1, from + FIFO_BYTES);
    const bytes = typed.subarray(from, to);
    yield { bytes, pauseMs: bytes.length * perByteMs + (typed[to - 1] === RETURN ? LINE_MS : 0) };
    from = to;
  }
}

/** Sends text into a bare line without flow control, slowly enough for a boot loader. */
export async function sendPaced(text: Buffer, write: (bytes: Buffer) => Promise<void>, pace: Pace): Promise<void> {
  for (const { bytes, pauseMs } of pacedPieces(text, pace.baud)) {
    if (pace.signal.aborted) return;
    await write(bytes);
    await delay(pauseMs, undefined, { signal: pace.signal }).catch(() => undefined);
  }
}

/** LF and CR LF as CR, as a keyboard has it. */
export function asTyped(text: Buffer): Buffer {
  const typed = Buffer.alloc(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at] ?? 0;
    if (byte === LINE_FEED && at > 0 && text[at - 1] === RETURN) continue;
    typed[length++] = byte === LINE_FEED ? RETURN : byte;
  }
  return typed.subarray(0, length);
}

import { LINE_FEED } from './frame.ts';

/** How far back from the end of an inserted run its beginning is sought byte by byte. */
const SEARCHED_BYTES = 256;
/** Attempts at cutting text out of one frame. */
const MOST_TRIES = 400;
/** Kernel records begin with their time in brackets. */
const stamp = /\[ *\d+\.\d{6}\]/g;

export interface Cut {
  /** What was printed into the frame, in order. */
  text: Buffer;
  /** The frame without it. */
  frame: Buffer;
}

/**
 * The ways in which whole lines of text may have been printed into a frame, the likeliest first. A frame has no raw line
 * feed, so each one ends an inserted line; where that began is guessed, and the checksum tells whether it was right.
 */
export function* possibleCuts(stuffed: Buffer): Generator<Cut> {
  const parts = linesOf(stuffed);
  if (parts.length === 0) return;
  const guesses = parts.map((part, index) => startsOf(part, index > 0));
  const likeliest = guesses.map((starts) => starts[0] ?? 0);
  yield cut(stuffed, parts, likeliest);
  let tries = 1;
  for (const [index, starts] of guesses.entries()) {
    for (const start of starts.slice(1)) {
      if (tries >= MOST_TRIES) return;
      tries += 1;
      yield cut(
        stuffed,
        parts,
        likeliest.map((other, at) => (at === index ? start : other)),
      );
    }
  }
}

/** What can be told of text in a frame that goes on and on: kernel lines, by their stamps. */
export function cutByStamps(stuffed: Buffer): Cut {
  const parts = linesOf(stuffed);
  return cut(
    stuffed,
    parts,
    parts.map((part) => stampsIn(part)[0] ?? part.length),
  );
}

/** Each up to and including a line feed; what follows the last one belongs to none. */
function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
    lines.push(bytes.subarray(from, end + 1));
    from = end + 1;
  }
  return lines;
}

/** Where the text in a part may begin. `isBehindText`: the part may well be nothing but text. */
function startsOf(part: Buffer, isBehindText: boolean): number[] {
  const starts = new Set(stampsIn(part));
  if (isBehindText) starts.add(0);
  for (let at = part.lastIndexOf(0x5b); at >= 0; at = at === 0 ? -1 : part.lastIndexOf(0x5b, at - 1)) {
    if (at >= part.length - SEARCHED_BYTES) starts.add(at);
  }
  for (let at = part.length - 1; at >= Math.max(0, part.length - SEARCHED_BYTES); at -= 1) starts.add(at);
  return [...starts];
}

function stampsIn(part: Buffer): number[] {
  return [...part.toString('latin1').matchAll(stamp)].map((match) => match.index);
}

function cut(stuffed: Buffer, parts: readonly Buffer[], starts: readonly number[]): Cut {
  const text: Buffer[] = [];
  const frame: Buffer[] = [];
  let length = 0;
  for (const [index, part] of parts.entries()) {
    const start = starts[index] ?? 0;
    frame.push(part.subarray(0, start));
    text.push(part.subarray(start));
    length += part.length;
  }
  frame.push(stuffed.subarray(length));
  return { text: Buffer.concat(text), frame: Buffer.concat(frame) };
}

import { Alarm, type Clock } from './clock.ts';
import { END, LINE_FEED, MAX_STUFFED, START, unstuff } from './frame.ts';
import { salvageText, textPrefix } from './text.ts';

export interface DecoderOptions {
  clock: Clock;
  /** Whether the CRC fits this body (the receiver knows which seed the body's kind asks for). */
  verify(body: Buffer, check: number): boolean;
  onFrame(body: Buffer): void;
  /** Everything that is not a frame, in order. */
  onText(text: Buffer): void;
}

/** Bytes that are not text wait so long for the END of a frame whose START was lost, then they are shown after all. */
const HOLD_MS = 100;
const HOLD_BYTES = 4096;
/** A frame in which nothing arrives for so long is given up, so that a START made by noise does not swallow text. */
const STALL_MS = 300;
/** How far back from the end of an inserted run its beginning is sought byte by byte. */
const CUT_BYTES = 256;
/** Attempts at cutting a run out of one frame. */
const CUT_TRIES = 320;

/** Separates frames from console text in whatever arrives, in pieces of any size. Holds at most `MAX_STUFFED` bytes. */
export class FrameDecoder {
  readonly #options: DecoderOptions;
  readonly #alarm: Alarm;
  #inFrame = false;
  #held: Buffer[] = [];
  #heldLength = 0;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.flush());
  }

  push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      const mark = nextMark(chunk, position);
      this.#hold(chunk.subarray(position, mark));
      if (mark === chunk.length) break;
      if (chunk[mark] === START) this.#start();
      else this.#end();
      position = mark + 1;
    }
    this.#settle();
  }

  /** Gives up waiting for the end of whatever is held, and delivers the text in it. */
  flush(): void {
    const held = this.#take();
    this.#text(this.#inFrame ? salvageText(held) : held);
    this.#inFrame = false;
  }

  /** Stops the timer; what is held is dropped. */
  close(): void {
    this.#take();
    this.#alarm.clear();
  }

  #start(): void {
    const held = this.#take();
    // Text that stood before a frame is whole as it is; a frame inside a frame means that the first one lost its END.
    this.#text(this.#inFrame ? salvageText(held) : held);
    this.#inFrame = true;
  }

  #end(): void {
    const held = this.#take();
    const wasFrame = this.#inFrame;
    this.#inFrame = false;
    if (!wasFrame) {
      // A frame's first byte is never valid text, so what follows the text is the rest of a frame that lost its START.
      const valid = textPrefix(held);
      this.#text(held.subarray(0, valid));
      if (valid < held.length) this.#text(salvageText(held.subarray(valid)));
      return;
    }
    if (held.length > MAX_STUFFED) {
      this.#text(salvageText(held));
      return;
    }
    const whole = unstuff(held);
    if (whole && this.#options.verify(whole.body, whole.check)) this.#options.onFrame(whole.body);
    else this.#cut(held);
  }

  /** The kernel prints whole lines into a frame, ending in a raw line feed: look where the run began. */
  #cut(stuffed: Buffer): void {
    const last = stuffed.lastIndexOf(LINE_FEED);
    if (last < 0) {
      if (textPrefix(stuffed) === stuffed.length) this.#text(stuffed);
      return;
    }
    for (const start of cutCandidates(stuffed, last)) {
      const rest = unstuff(Buffer.concat([stuffed.subarray(0, start), stuffed.subarray(last + 1)]));
      if (rest && this.#options.verify(rest.body, rest.check)) {
        this.#text(stuffed.subarray(start, last + 1));
        this.#options.onFrame(rest.body);
        return;
      }
    }
    this.#text(salvageText(stuffed));
  }

  /** At the end of a piece: text goes out at once, the rest waits for more. */
  #settle(): void {
    if (!this.#inFrame && this.#heldLength > 0) {
      const held = this.#take();
      const valid = textPrefix(held);
      this.#text(held.subarray(0, valid));
      this.#hold(held.subarray(valid));
    }
    if (this.#heldLength > (this.#inFrame ? MAX_STUFFED : HOLD_BYTES)) this.flush();
    if (this.#inFrame) this.#alarm.set(STALL_MS);
    else if (this.#heldLength > 0) this.#alarm.setNoLater(HOLD_MS);
    else this.#alarm.clear();
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    // A copy, because the port may use its buffer again.
    this.#held.push(Buffer.from(bytes));
    this.#heldLength += bytes.length;
  }

  #take(): Buffer {
    const bytes =
      this.#held.length === 1 && this.#held[0] ? this.#held[0] : Buffer.concat(this.#held, this.#heldLength);
    this.#held = [];
    this.#heldLength = 0;
    return bytes;
  }

  #text(bytes: Buffer): void {
    if (bytes.length > 0) this.#options.onText(bytes);
  }
}

function nextMark(chunk: Buffer, from: number): number {
  for (let index = from; index < chunk.length; index += 1) {
    if (chunk[index] === START || chunk[index] === END) return index;
  }
  return chunk.length;
}

function* cutCandidates(stuffed: Buffer, last: number): Generator<number> {
  let tries = 0;
  // Kernel records begin with their time in brackets.
  for (let start = stuffed.lastIndexOf(0x5b, last); start >= 0 && tries < CUT_TRIES - CUT_BYTES; tries += 1) {
    yield start;
    start = start === 0 ? -1 : stuffed.lastIndexOf(0x5b, start - 1);
  }
  for (let start = last; start >= Math.max(0, last - CUT_BYTES); start -= 1) {
    if (stuffed[start] !== 0x5b) yield start;
  }
}

import { Alarm, type Clock } from './clock.ts';
import { END, MAX_STUFFED, START, unstuff } from './frame.ts';
import { cutByStamps, possibleCuts } from './inserted-text.ts';
import { salvageText, textPrefix } from './text.ts';

export interface DecoderOptions {
  clock: Clock;
  /** What to do with this body when its CRC fits (the receiver knows which seed its kind asks for); else undefined. */
  accept(body: Buffer, check: number): (() => void) | undefined;
  /** Everything that is not a frame, in order. */
  onText(text: Buffer): void;
}

/**
 * Bytes that are not text wait for the END of a frame whose START was lost. When nothing more has come for so long, or
 * so many bytes have come, they are shown after all.
 */
const HOLD_MS = 100;
const HOLD_BYTES = 4096;
/** A frame in which nothing arrives for so long is given up, so that a START made by noise does not swallow text. */
const STALL_MS = 300;
/** Text printed into one frame that is kept until its END; more is shown while the frame still waits. */
const KEPT_TEXT = 8192;

/** Separates frames from console text in whatever arrives, in pieces of any size. Holds at most some 11 KB. */
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
    const accepted = this.#accepted(held);
    if (accepted) accepted();
    else this.#cut(held);
  }

  #accepted(stuffed: Buffer): (() => void) | undefined {
    const whole = stuffed.length > MAX_STUFFED ? undefined : unstuff(stuffed);
    return whole && this.#options.accept(whole.body, whole.check);
  }

  /** The kernel prints whole lines into a frame: without them it may be good. */
  #cut(stuffed: Buffer): void {
    for (const { text, frame } of possibleCuts(stuffed)) {
      const accepted = this.#accepted(frame);
      if (!accepted) continue;
      this.#text(text);
      accepted();
      return;
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
    if (!this.#inFrame && this.#heldLength > HOLD_BYTES) this.flush();
    if (this.#inFrame && this.#heldLength > MAX_STUFFED + KEPT_TEXT) this.#relieve();
    if (this.#inFrame) this.#alarm.set(STALL_MS);
    else if (this.#heldLength > 0) this.#alarm.set(HOLD_MS);
    else this.#alarm.clear();
  }

  /** The kernel prints page after page into one frame: they are shown, and the frame waits for its rest. */
  #relieve(): void {
    const { text, frame } = cutByStamps(this.#take());
    this.#text(text);
    this.#hold(frame);
    if (this.#heldLength > MAX_STUFFED) this.flush();
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

import type { ServerResponse } from 'node:http';

const batchBytes = 64 * 1024;

/** After so much, or so long, the client hears where the stream is. Dearer to tell than to count a few lines twice. */
const cursorBytes = 4096;
const cursorMs = 250;

/** Many lines in one write, none of them late: what was added is sent at the latest when this turn's work is done. */
export class FrameBatch {
  readonly #response: ServerResponse;
  readonly #place: (() => Buffer | undefined) | undefined;
  #frames: Buffer[] = [];
  #size = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #sincePlace = 0;
  #placeTimer: NodeJS.Timeout | undefined;

  /** `place` makes the frame that says where the stream is, behind all that was added; undefined as long as that is open. */
  constructor(response: ServerResponse, place?: () => Buffer | undefined) {
    this.#response = response;
    this.#place = place;
    // Also of a stream without a line: where it began.
    if (place) this.#placeTimer = setTimeout(() => this.#tellPlace(), 0);
  }

  add(data: Buffer): void {
    this.#frames.push(data);
    this.#size += data.length;
    this.#sincePlace += data.length;
    if (this.#size >= batchBytes) this.#flush();
    else this.#scheduled ??= setImmediate(() => this.#flush());
  }

  /** Sends the rest. */
  end(): void {
    this.#tellPlace();
  }

  #tellPlace(): void {
    clearTimeout(this.#placeTimer);
    this.#placeTimer = undefined;
    this.#sincePlace = cursorBytes;
    this.#flush();
  }

  #flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#response.destroyed) return;
    const place = this.#sincePlace >= cursorBytes ? this.#place?.() : undefined;
    if (place) {
      this.#frames.push(place);
      this.#sincePlace = 0;
      clearTimeout(this.#placeTimer);
      this.#placeTimer = undefined;
    } else if (this.#place) this.#placeTimer ??= setTimeout(() => this.#tellPlace(), cursorMs);
    if (this.#frames.length > 0) this.#response.write(Buffer.concat(this.#frames));
    this.#frames = [];
    this.#size = 0;
  }
}

/** A time limit that stands still while a person thinks. */
export class Deadline {
  readonly seconds: number;
  onExpiry: () => void = () => undefined;
  #leftMs: number;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#leftMs = ms;
    this.seconds = ms / 1000;
    this.resume();
  }

  resume(): void {
    this.#startedAt = performance.now();
    this.#timer = setTimeout(() => this.onExpiry(), this.#leftMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
    this.#leftMs = Math.max(1000, this.#leftMs - (performance.now() - this.#startedAt));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Where the link takes its time from, so that tests can run hours of line time in a moment. */
export interface Clock {
  /** Monotonic, in milliseconds. */
  now(): number;
  /** Runs `action` once after `ms` milliseconds; returns how to cancel it. */
  after(ms: number, action: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, action) {
    // Node says a warning when the moment has passed already.
    const timer = setTimeout(action, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};

/** One pending action; setting it again replaces the former one. */
export class Alarm {
  readonly #clock: Clock;
  readonly #action: () => void;
  #cancel: (() => void) | undefined;
  #due = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, action: () => void) {
    this.#clock = clock;
    this.#action = action;
  }

  get isSet(): boolean {
    return this.#cancel !== undefined;
  }

  set(ms: number): void {
    this.#cancel?.();
    this.#due = this.#clock.now() + ms;
    this.#cancel = this.#clock.after(Math.max(0, ms), () => {
      this.#cancel = undefined;
      this.#due = Number.POSITIVE_INFINITY;
      this.#action();
    });
  }

  /** Like `set`, but never moves a pending action to a later time. */
  setNoLater(ms: number): void {
    if (this.#cancel === undefined || this.#clock.now() + ms < this.#due) this.set(ms);
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#due = Number.POSITIVE_INFINITY;
  }
}

import type { Clock } from './clock.ts';

/** Written ahead of the line at most: what is queued in the kernel or in an adapter cannot be overtaken by a key. */
const AHEAD_MS = 30;
const UNPACED_START = 16 * 1024;
const UNPACED_MOST = 48 * 1024;
const LEAST_WINDOW = 4096;
const FAST_MS = 60;
const SLOW_MS = 200;
const LARGEST_PACKET = 1024;
const SMALLEST_PACKET = 64;
/** While somebody types, and for what is sent again after silence. */
const SMALL_PACKET = 256;
/** Share of the past that each packet leaves in the estimate of errors. */
const MEMORY = 0.98;

/**
 * How much may be on the line. With a known rate: frames at that rate, and about a third of a second unacknowledged.
 * Without (a socket to an emulator, whose speed nobody knows): as much as is acknowledged quickly.
 */
export class LinePace {
  readonly #clock: Clock;
  readonly #rate: number | undefined;
  #freeAt = 0;
  #window: number;
  #shrunkAt = Number.NEGATIVE_INFINITY;
  #carried = 0;
  #errors = 0;

  /** `bytesPerSecond`: undefined for a line without a rate. */
  constructor(clock: Clock, bytesPerSecond: number | undefined) {
    this.#clock = clock;
    this.#rate = bytesPerSecond;
    this.#window =
      bytesPerSecond === undefined
        ? UNPACED_START
        : Math.max(Math.min(LEAST_WINDOW, bytesPerSecond), bytesPerSecond * 0.25);
  }

  /** Unacknowledged bytes at most. */
  get window(): number {
    return this.#window;
  }

  /** Milliseconds until the next frame may be written; 0 for now. */
  get delay(): number {
    return this.#rate === undefined ? 0 : Math.max(0, this.#freeAt - this.#clock.now() - AHEAD_MS);
  }

  /** Milliseconds that `bytes` take on the line. */
  duration(bytes: number): number {
    return this.#rate === undefined ? 0 : (bytes * 1000) / this.#rate;
  }

  /**
   * Bytes of a packet at most. `isSmall`: it must not take long, or must arrive. On a line with errors smaller packets
   * carry more: the best size is about the square root of (overhead / errors per byte).
   */
  packetSize(isSmall: boolean): number {
    const byErrors = this.#errors < 0.5 ? LARGEST_PACKET : Math.sqrt((13 * this.#carried) / this.#errors);
    const byRate = this.#rate === undefined ? LARGEST_PACKET : this.#rate * 0.1;
    const largest = isSmall && (this.#rate !== undefined || byErrors < LARGEST_PACKET) ? SMALL_PACKET : LARGEST_PACKET;
    return Math.max(SMALLEST_PACKET, Math.floor(Math.min(largest, byErrors, byRate)));
  }

  sent(bytes: number): void {
    if (this.#rate === undefined) return;
    this.#freeAt = Math.max(this.#clock.now(), this.#freeAt) + this.duration(bytes);
  }

  /** An acknowledgement of `bytes` came after `roundTrip` milliseconds. */
  acknowledged(bytes: number, roundTrip: number): void {
    this.#count(bytes, 0);
    if (this.#rate !== undefined) return;
    if (roundTrip < FAST_MS) this.#window = Math.min(UNPACED_MOST, this.#window + bytes);
    else if (roundTrip > SLOW_MS) this.#shrink(roundTrip);
  }

  /** A packet of `bytes` was lost, not just late. */
  lost(bytes: number, roundTrip: number): void {
    this.#count(bytes, 1);
    if (this.#rate === undefined) this.#shrink(roundTrip);
  }

  #count(bytes: number, errors: number): void {
    this.#carried = this.#carried * MEMORY + bytes;
    this.#errors = this.#errors * MEMORY + errors;
  }

  #shrink(roundTrip: number): void {
    const now = this.#clock.now();
    if (now - this.#shrunkAt < roundTrip) return;
    this.#shrunkAt = now;
    this.#window = Math.max(LEAST_WINDOW, this.#window * 0.7);
  }
}

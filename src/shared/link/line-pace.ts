import type { Clock } from './clock.ts';
import { ErrorEstimate } from './error-estimate.ts';

/** Less is no time to wait for: adding it to the time may even change nothing, and a clock would wake us for ever. */
const SHORTEST_MS = 0.001;
/** Written ahead of the line at most: what is queued in the kernel or in an adapter cannot be overtaken by a key. */
const AHEAD_MS = 20;
/** The same where this process is woken late, because others use the processor: else the line would often stand still. */
const MOST_AHEAD_MS = 150;
/** Of that, what is given back with each frame for which it was in time. */
const AHEAD_DECAY = 0.02;
const UNPACED_START = 16 * 1024;
const UNPACED_MOST = 48 * 1024;
const LEAST_WINDOW = 4096;
const FAST_MS = 60;
const SLOW_MS = 200;
const LARGEST_PACKET = 1400;
const SMALLEST_PACKET = 48;
/** For what is sent again after silence: small, so that it arrives. */
const PROBE_PACKET = 256;
/** No packet takes longer than this on the line, and none so long while somebody types. */
const LONGEST_MS = 122;
const LONGEST_TYPING_MS = 34;
/** Acknowledgements that tell, by the fastest of them, how long what is written waits before it is on the line. */
const HEARD_BACK = 4;
/** Of waiting that is no queue: answers share the line with others and with kernel lines. */
const TOLERATED_MS = 10;
/** How fast the shortest delay known is forgotten, in milliseconds a second: adapters change. */
const FORGETTING = 1;

/**
 * How much may be on the line. With a known rate: frames at that rate, and about a third of a second unacknowledged.
 * Without (a socket to an emulator, whose speed nobody knows): as much as is acknowledged quickly.
 */
export class LinePace {
  readonly #clock: Clock;
  #rate: number | undefined;
  #errors = new ErrorEstimate();
  #freeAt = 0;
  #window: number;
  #shrunkAt = Number.NEGATIVE_INFINITY;
  #leastLateness = Number.POSITIVE_INFINITY;
  #leastAt = 0;
  #recent: number[] = [];
  /** Milliseconds by which the line turned out to be behind what was written, in all. */
  #shift = 0;
  #ahead = AHEAD_MS;
  #wakeAt: number | undefined;

  /** `bytesPerSecond`: undefined for a line without a rate. */
  constructor(clock: Clock, bytesPerSecond: number | undefined) {
    this.#clock = clock;
    this.#rate = bytesPerSecond;
    this.#window = firstWindow(bytesPerSecond);
  }

  /** The line has another rate from now on, and nothing is known of it yet. */
  setRate(bytesPerSecond: number | undefined): void {
    this.#rate = bytesPerSecond;
    this.#window = firstWindow(bytesPerSecond);
    this.#errors = new ErrorEstimate();
    this.#freeAt = this.#clock.now();
    this.#leastLateness = Number.POSITIVE_INFINITY;
    this.#recent = [];
    this.#wakeAt = undefined;
  }

  /** Unacknowledged bytes at most. */
  get window(): number {
    return this.#window;
  }

  /** Milliseconds until the next frame may be written; 0 for now. */
  get delay(): number {
    if (this.#rate === undefined) return 0;
    const delay = this.#freeAt - this.#clock.now() - this.#ahead;
    return delay < SHORTEST_MS ? 0 : delay;
  }

  /** There is something to send, and this process wants to be woken in `delay` milliseconds. */
  waiting(delay: number): void {
    this.#wakeAt = this.#clock.now() + delay;
  }

  /** Milliseconds that `bytes` take on the line. */
  duration(bytes: number): number {
    return this.#rate === undefined ? 0 : (bytes * 1000) / this.#rate;
  }

  /** Bytes of a packet at most. `isTyping`: another must be able to go soon. `isProbe`: it must arrive. */
  packetSize({ isTyping, isProbe }: { isTyping: boolean; isProbe: boolean }): number {
    const longest = isTyping ? LONGEST_TYPING_MS : LONGEST_MS;
    const byRate = this.#rate === undefined ? LARGEST_PACKET : (this.#rate * longest) / 1000;
    const largest = isProbe ? PROBE_PACKET : LARGEST_PACKET;
    return Math.max(SMALLEST_PACKET, Math.floor(Math.min(largest, byRate, this.#errors.bestSize)));
  }

  /** Returns when the last byte should be through, for `heardBack`. */
  sent(bytes: number): number | undefined {
    if (this.#rate === undefined) return undefined;
    this.#learnWaking();
    this.#freeAt = Math.max(this.#clock.now(), this.#freeAt) + this.duration(bytes);
    return this.#freeAt - this.#shift;
  }

  /** An acknowledgement of `bytes` came after `roundTrip` milliseconds. */
  acknowledged(bytes: number, roundTrip: number): void {
    this.#errors.count(bytes, false);
    if (this.#rate !== undefined) return;
    if (roundTrip < FAST_MS) this.#window = Math.min(UNPACED_MOST, this.#window + bytes);
    else if (roundTrip > SLOW_MS) this.#shrink(roundTrip);
  }

  /** A packet of `bytes` was lost, not just late. */
  lost(bytes: number, roundTrip: number): void {
    this.#errors.count(bytes, true);
    if (this.#rate === undefined) this.#shrink(roundTrip);
  }

  /**
   * A packet that should have been `through` the line had arrived `delay` milliseconds ago when its acknowledgement was
   * sent. The kernel prints between our frames, which nobody is told: what it takes of the line makes every answer later,
   * and that much later the next frame is written, else a queue would build up that no key can overtake.
   */
  heardBack(through: number, delay: number): void {
    const now = this.#clock.now();
    const lateness = now - delay - through - this.#shift;
    if (lateness < 0) {
      this.#behind(lateness);
      return;
    }
    this.#leastLateness = Math.min(lateness, this.#leastLateness + (FORGETTING * (now - this.#leastAt)) / 1000);
    this.#leastAt = now;
    this.#recent.push(lateness);
    if (this.#recent.length < HEARD_BACK) return;
    const queued = Math.min(...this.#recent) - this.#leastLateness;
    this.#recent.shift();
    if (queued > TOLERATED_MS) this.#behind(queued);
  }

  #learnWaking(): void {
    if (this.#wakeAt === undefined) return;
    const late = this.#clock.now() - this.#wakeAt;
    this.#wakeAt = undefined;
    const wanted = Math.min(MOST_AHEAD_MS, AHEAD_MS + late);
    if (wanted > this.#ahead) this.#ahead = wanted;
    else this.#ahead -= (this.#ahead - wanted) * AHEAD_DECAY;
  }

  #behind(ms: number): void {
    this.#shift += ms;
    this.#freeAt += ms;
    this.#recent = [];
  }

  #shrink(roundTrip: number): void {
    const now = this.#clock.now();
    if (now - this.#shrunkAt < roundTrip) return;
    this.#shrunkAt = now;
    this.#window = Math.max(LEAST_WINDOW, this.#window * 0.7);
  }
}

function firstWindow(bytesPerSecond: number | undefined): number {
  if (bytesPerSecond === undefined) return UNPACED_START;
  return Math.max(Math.min(LEAST_WINDOW, bytesPerSecond), bytesPerSecond * 0.25);
}

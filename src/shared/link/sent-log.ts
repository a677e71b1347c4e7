import type { Clock } from './clock.ts';
import type { Range } from './ranges.ts';

export interface SentPacket<T> {
  number: number;
  /** Bytes on the line. */
  size: number;
  at: number;
  /** When its last byte should be through, as `LinePace` says; undefined on a line without a rate. */
  through: number | undefined;
  /** Whatever has to be done again when the packet is lost. */
  content: T;
}

export interface Acknowledged<T> {
  arrived: SentPacket<T>[];
  lost: SentPacket<T>[];
  /** Round trip, in milliseconds. */
  sample: number;
  /** Of the newest packet that arrived. */
  through: number | undefined;
}

/** Waited for an acknowledgement at least, in milliseconds. */
const LEAST_TIMEOUT = 250;
const FIRST_TIMEOUT = 600;
/** The other side takes 3 s of silence for the end: there must be several attempts before. */
const MOST_BACKED_OFF = 800;

/** Packets on their way, and how long they take. A line keeps order, so one behind an acknowledged one is lost. */
export class SentLog<T> {
  readonly #clock: Clock;
  readonly #packets = new Map<number, SentPacket<T>>();
  #bytes = 0;
  #smoothed: number | undefined;
  #backoff = 1;
  #next = 0;
  #newestAcked = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Unacknowledged bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#packets.size === 0;
  }

  /** -1 before any. */
  get newestAcked(): number {
    return this.#newestAcked;
  }

  /** Smoothed, in milliseconds. */
  get roundTrip(): number {
    return this.#smoothed ?? FIRST_TIMEOUT / 2;
  }

  /** Takes a packet number that was never used. */
  number(): number {
    return this.#next++;
  }

  add(number: number, packet: Pick<SentPacket<T>, 'size' | 'through' | 'content'>): void {
    this.#packets.set(number, { number, at: this.#clock.now(), ...packet });
    this.#bytes += packet.size;
  }

  /** How long the oldest packet is waited for from now on; `queued` is the time that what is in flight takes. */
  timeout(queued: number): number {
    const base = this.#smoothed === undefined ? FIRST_TIMEOUT : Math.max(LEAST_TIMEOUT, 2 * this.#smoothed + 100);
    return Math.max(base, Math.min(MOST_BACKED_OFF, base * this.#backoff)) + queued;
  }

  /**
   * Returns the packets that arrived, and those that must have been lost. Undefined when it acknowledges what was never
   * sent.
   */
  acknowledge(ranges: readonly Range[]): Acknowledged<T> | undefined {
    const highest = ranges.at(-1);
    if (!highest || highest.end > this.#next) return undefined;
    this.#newestAcked = Math.max(this.#newestAcked, highest.end - 1);
    const arrived: SentPacket<T>[] = [];
    const lost: SentPacket<T>[] = [];
    for (const packet of this.#packets.values()) {
      if (packet.number >= highest.end) break;
      const isAcked = ranges.some((range) => range.start <= packet.number && packet.number < range.end);
      (isAcked ? arrived : lost).push(packet);
    }
    for (const packet of [...arrived, ...lost]) this.#remove(packet);
    const newest = arrived.at(-1);
    if (!newest) return { arrived, lost, sample: this.roundTrip, through: undefined };
    this.#backoff = 1;
    const sample = this.#clock.now() - newest.at;
    this.#smoothed = this.#smoothed === undefined ? sample : 0.875 * this.#smoothed + 0.125 * sample;
    return { arrived, lost, sample, through: newest.through };
  }

  /** Nothing was heard in time: the oldest packet counts as lost, and the next wait is longer. */
  expire(): SentPacket<T> | undefined {
    const [oldest] = this.#packets.values();
    if (!oldest) return undefined;
    this.#remove(oldest);
    this.#backoff = Math.min(16, this.#backoff * 2);
    return oldest;
  }

  #remove(packet: SentPacket<T>): void {
    this.#packets.delete(packet.number);
    this.#bytes -= packet.size;
  }
}

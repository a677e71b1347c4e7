import { Alarm, type Clock } from './clock.ts';
import type { AckChunk } from './packet.ts';
import { RangeSet } from './ranges.ts';

const ACK_EVERY = 4;
/** A sender whose packets are long and few should hear of each at once: it reads from the answers how full the line is. */
const ACK_BYTES = 700;
/** On a line without a rate nothing is saved by waiting. */
const ACK_DELAY_PACED = 40;
const ACK_DELAY_UNPACED = 4;
/** Older gaps were reported several times. */
const REPORTED_RANGES = 8;
/** Gaps beyond these count as filled here, and must never be reported. */
const KEPT_RANGES = 64;

export interface ReceivedPacketsOptions {
  clock: Clock;
  isPaced: boolean;
  /** An acknowledgement should go out now. */
  onDue(): void;
}

/** Which packets arrived, and when the other side must be told. */
export class ReceivedPackets {
  readonly #options: ReceivedPacketsOptions;
  readonly #received = new RangeSet();
  readonly #alarm: Alarm;
  #unacked = 0;
  #unackedBytes = 0;
  #isDue = false;
  #newestAt = 0;

  constructor(options: ReceivedPacketsOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => {
      this.#isDue = true;
      options.onDue();
    });
  }

  /** One more than the highest number that arrived. */
  get nextNumber(): number {
    return this.#received.ranges.at(-1)?.end ?? 0;
  }

  get isAckDue(): boolean {
    return this.#isDue;
  }

  /** False when packet `number` had arrived before. `bytes`: of data. `isUrgent`: its sender should know at once. */
  note(number: number, { mustAck, isUrgent, bytes }: { mustAck: boolean; isUrgent: boolean; bytes: number }): boolean {
    const isNext = number === this.nextNumber;
    const isNew = !this.#received.has(number);
    if (isNew) {
      if (number >= this.nextNumber) this.#newestAt = this.#options.clock.now();
      this.#received.add(number, number + 1);
      this.#received.limit(KEPT_RANGES);
    }
    if (mustAck) this.#unacked += 1;
    this.#unackedBytes += bytes;
    // A gap shows that something was lost, also when the packet behind it needs no answer itself.
    if (isUrgent || !isNext || this.#unacked >= ACK_EVERY || this.#unackedBytes >= ACK_BYTES) this.#isDue = true;
    else if (mustAck) this.#alarm.setNoLater(this.#options.isPaced ? ACK_DELAY_PACED : ACK_DELAY_UNPACED);
    return isNew;
  }

  /** What there is to acknowledge, also before it is due; undefined for nothing. */
  takeAck(): AckChunk | undefined {
    const isWanted = this.#isDue || this.#unacked > 0;
    this.#isDue = false;
    this.#unacked = 0;
    this.#unackedBytes = 0;
    this.#alarm.clear();
    if (!isWanted || this.#received.isEmpty) return undefined;
    const delay = Math.min(255, Math.round(this.#options.clock.now() - this.#newestAt));
    return { type: 'ack', delay, ranges: this.#received.ranges.slice(-REPORTED_RANGES) };
  }

  close(): void {
    this.#alarm.clear();
  }
}

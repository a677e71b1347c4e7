import type { Duplex } from 'node:stream';
import type { Clock } from './clock.ts';
import { atMost } from './port-end.ts';

/** A port whose speed can be changed. */
export interface SpeedPort {
  /** Bits per second as it was opened: what boot loader and kernel use too. */
  readonly safe: number;
  /**
   * What was written before leaves at the old speed. Rejects when the port does not run at `baud`; at which speed it is then
   * is unknown. Must not wait for ever for bytes that nobody takes.
   */
  setBaudRate(baud: number): Promise<void>;
}

/** What the port has not taken by then is not waited for. */
const FLUSH_MS = 300;

/** The port as it is written to: nothing leaves at a speed that it was not meant for. */
export class LineSpeed {
  readonly #port: Duplex;
  readonly #speed: SpeedPort | undefined;
  readonly #clock: Clock;
  readonly #onOpen: () => void;
  #baud: number | undefined;
  #changes: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #unwritten = 0;
  #whenWritten: (() => void) | undefined;
  #held: { bytes: Buffer; written: () => void }[] = [];

  /** `onOpen`: the port can be written to again after `write` returned false because of a change. */
  constructor(port: Duplex, speed: SpeedPort | undefined, clock: Clock, onOpen: () => void) {
    this.#port = port;
    this.#speed = speed;
    this.#clock = clock;
    this.#onOpen = onOpen;
    this.#baud = speed?.safe;
  }

  /** Bits per second, at or on its way to; undefined for a port whose speed cannot be changed. */
  get baud(): number | undefined {
    return this.#baud;
  }

  get safe(): number | undefined {
    return this.#speed?.safe;
  }

  get isSafe(): boolean {
    return this.#baud === this.#speed?.safe && this.#pending === 0;
  }

  /** False when it should wait: see `onOpen`, and the port's `drain`. */
  write(bytes: Buffer, written: () => void = () => undefined): boolean {
    if (this.#pending > 0) {
      this.#held.push({ bytes, written });
      return false;
    }
    return this.#put(bytes, written);
  }

  /** Resolves with whether the port runs at `baud` now. Changes follow each other in the order in which they were asked for. */
  to(baud: number): Promise<boolean> {
    return this.#change([baud], baud);
  }

  /** Whether the port would run at `baud`; it is at the safe speed before and after. */
  async test(baud: number): Promise<boolean> {
    return this.#speed !== undefined && this.#change([baud, this.#speed.safe], this.#speed.safe);
  }

  /** Resolves once the port is at the safe speed, or cannot be brought there. */
  async toSafe(): Promise<void> {
    const safe = this.#speed?.safe;
    if (safe === undefined) return;
    if (this.#baud === safe) await this.#changes;
    else await this.#change([safe], safe);
  }

  async #change(rates: readonly number[], last: number): Promise<boolean> {
    this.#pending += 1;
    this.#baud = last;
    const before = this.#changes;
    const change = before.then(() => this.#run(rates));
    this.#changes = change;
    const result = await change;
    this.#pending -= 1;
    if (this.#pending === 0) this.#open();
    return result;
  }

  async #run(rates: readonly number[]): Promise<boolean> {
    await atMost(this.#clock, FLUSH_MS, this.#flushed());
    let isGood = true;
    for (const rate of rates) {
      try {
        await this.#speed?.setBaudRate(rate);
      } catch {
        isGood = false;
      }
    }
    return isGood;
  }

  #open(): void {
    if (this.#held.length === 0) return;
    for (const { bytes, written } of this.#held.splice(0)) this.#put(bytes, written);
    this.#onOpen();
  }

  #put(bytes: Buffer, written: () => void): boolean {
    if (this.#port.destroyed || !this.#port.writable) return true;
    this.#unwritten += 1;
    return this.#port.write(bytes, () => {
      this.#unwritten -= 1;
      if (this.#unwritten === 0) this.#whenWritten?.();
      written();
    });
  }

  #flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenWritten = resolve;
      if (this.#unwritten === 0) resolve();
    });
  }
}

import { Duplex } from 'node:stream';
import type { Clock } from '../../src/shared/link/clock.ts';

/** Time that passes only when nothing is left to do now. */
export class SimulatedClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Map<number, { at: number; action: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): () => void {
    this.#order += 1;
    const id = this.#order;
    this.#timers.set(id, { at: this.#now + Math.max(0, ms), action });
    return () => this.#timers.delete(id);
  }

  /** Lets time pass until `condition` holds (true), or for `limitMs` (false). */
  async runUntil(condition: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#now + limitMs;
    for (;;) {
      // Streams do their work in ticks and microtasks, which all run before an immediate.
      await new Promise((resolve) => setImmediate(resolve));
      if (condition()) return true;
      const next = this.#earliest();
      if (!next || next.at > end) {
        this.#now = end;
        return condition();
      }
      this.#now = Math.max(this.#now, next.at);
      this.#timers.delete(next.id);
      next.action();
    }
  }

  async run(ms: number): Promise<void> {
    await this.runUntil(() => false, ms);
  }

  #earliest(): { id: number; at: number; action: () => void } | undefined {
    let best: { id: number; at: number; action: () => void } | undefined;
    for (const [id, timer] of this.#timers) if (!best || timer.at < best.at) best = { id, ...timer };
    return best;
  }
}

/** Same numbers for the same seed: in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What may happen to bytes in one direction. Probabilities are per byte unless said otherwise. */
export interface Faults {
  flip?: number;
  drop?: number;
  /** Probability per write that a kernel line is printed somewhere inside it. */
  kernelLine?: number;
  latencyMs?: number;
  /** An adapter hands bytes over only so often. */
  coalesceMs?: number;
  /** Deliver in pieces of random size. */
  split?: boolean;
}

export interface LineOptions {
  clock: SimulatedClock;
  seed: number;
  bytesPerSecond?: number;
  toHost?: Faults;
  toDevice?: Faults;
}

export interface Line {
  host: Duplex;
  device: Duplex;
  /** Text that the kernel printed so far, towards the host. */
  readonly printed: string;
  /** From now on nothing arrives in either direction; the ends do not notice. */
  cut(): void;
  mend(): void;
  /** Bytes arrive as if something else had written them on the line. */
  inject(to: 'host' | 'device', bytes: Buffer): void;
  /** Bytes that entered the line in both directions. */
  readonly bytes: number;
}

const TTY_QUEUE = 4096;

/** A line between two ends, exact in its rate and in its faults. */
export function createLine(options: LineOptions): Line {
  const random = seededRandom(options.seed);
  const state = { isCut: false, printed: '', bytes: 0 };
  const ends: { host?: Duplex; device?: Duplex } = {};

  const direction = (to: 'host' | 'device', faults: Faults) => {
    let freeAt = 0;
    const damage = (bytes: Buffer): Buffer => {
      const out: number[] = [];
      for (const byte of bytes) {
        if (faults.drop && random() < faults.drop) continue;
        out.push(faults.flip && random() < faults.flip ? byte ^ (1 << Math.floor(random() * 8)) : byte);
      }
      return Buffer.from(out);
    };
    const deliver = (bytes: Buffer): void => {
      if (state.isCut || bytes.length === 0) return;
      const end = ends[to];
      if (!end || end.destroyed) return;
      if (!faults.split) {
        end.push(bytes);
        return;
      }
      for (let from = 0; from < bytes.length; ) {
        const length = 1 + Math.floor(random() * 40);
        end.push(bytes.subarray(from, from + length));
        from += length;
      }
    };
    return (bytes: Buffer, accepted: () => void): void => {
      let sent = bytes;
      if (faults.kernelLine && random() < faults.kernelLine) {
        const line = `[${(options.clock.now() / 1000).toFixed(6).padStart(12)}] usb 1-1: reset number ${Math.floor(random() * 1000)}\r\n`;
        const at = Math.floor(random() * (bytes.length + 1));
        sent = Buffer.concat([bytes.subarray(0, at), Buffer.from(line), bytes.subarray(at)]);
        state.printed += line;
      }
      state.bytes += sent.length;
      const { clock, bytesPerSecond } = options;
      const now = clock.now();
      if (bytesPerSecond !== undefined) freeAt = Math.max(now, freeAt) + (sent.length * 1000) / bytesPerSecond;
      let at = (bytesPerSecond === undefined ? now : freeAt) + (faults.latencyMs ?? 0);
      if (faults.coalesceMs) at = Math.ceil(at / faults.coalesceMs) * faults.coalesceMs;
      clock.after(at - now, () => deliver(damage(sent)));
      const queued = bytesPerSecond === undefined ? 0 : Math.max(0, freeAt - now - (TTY_QUEUE * 1000) / bytesPerSecond);
      clock.after(queued, accepted);
    };
  };

  const toHost = direction('host', options.toHost ?? {});
  const toDevice = direction('device', options.toDevice ?? {});
  const end = (send: (bytes: Buffer, accepted: () => void) => void): Duplex =>
    new Duplex({
      read() {},
      write: (chunk: Buffer, _encoding, callback) => send(chunk, callback),
      decodeStrings: true,
    });
  ends.host = end(toDevice);
  ends.device = end(toHost);
  return {
    host: ends.host,
    device: ends.device,
    get printed() {
      return state.printed;
    },
    get bytes() {
      return state.bytes;
    },
    cut() {
      state.isCut = true;
    },
    mend() {
      state.isCut = false;
    },
    inject(to, bytes) {
      ends[to]?.push(bytes);
    },
  };
}

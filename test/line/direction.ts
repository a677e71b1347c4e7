import type { Clock } from '../../src/shared/link/clock.ts';

/** What may happen to bytes in one direction. Probabilities are per byte. */
export interface Faults {
  /** One bit of the byte changes. */
  flip?: number;
  drop?: number;
  /** A byte that nobody sent comes before it. */
  insert?: number;
  latencyMs?: number;
  /** A USB adapter hands bytes over only so often. */
  coalesceMs?: number;
  /** Deliver in pieces of random size. */
  split?: boolean;
}

export interface PrintedLine {
  text: string;
  /** Whether every byte of it arrives. */
  intact: boolean;
}

export interface DirectionOptions {
  clock: Clock;
  /** Of what is sent at this speed, in bits per second. */
  faults(baud: number | undefined): Faults;
  random: () => number;
  queueBytes: number;
  rate(): number | undefined;
  /** Bits per second that sender and receiver are set to; undefined where there is no such thing. */
  speeds(): { sender: number; receiver: number } | undefined;
  isCut(): boolean;
  deliver(bytes: Buffer): void;
  /** Whether a byte that arrives at this time is kept by the receiver. */
  survives(at: number): boolean;
}

/** A UART sends what stands in its FIFO as it is; the kernel can print only between two fillings. */
const CHUNK = 16;
const CHUNK_WITHOUT_RATE = 512;

/** One direction of a line: what is written leaves at the line's rate, behind what the kernel prints. */
export class Direction {
  readonly printed: PrintedLine[] = [];
  readonly #options: DirectionOptions;
  #queue: Buffer = Buffer.alloc(0);
  readonly #accepted: { at: number; callback: () => void }[] = [];
  readonly #kernel: string[] = [];
  readonly #arriving: { at: number; bytes: Buffer }[] = [];
  /** Bytes written and bytes taken from the queue so far. */
  #written = 0;
  #taken = 0;
  #bytes = 0;
  #freeAt = 0;
  #isBusy = false;
  /** The last interval in which the kernel printed, and how many bytes came in meanwhile. */
  #printing = { from: 0, to: 0, arrived: 0 };

  constructor(options: DirectionOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  write(bytes: Buffer, callback: () => void): void {
    this.#queue = this.#queue.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#queue, bytes]);
    this.#written += bytes.length;
    this.#accepted.push({ at: this.#written - this.#options.queueBytes, callback });
    this.#wake();
    this.#accept();
  }

  print(text: string): void {
    this.#kernel.push(text);
    this.#wake();
  }

  /** Everything written has left the line. */
  async drained(): Promise<void> {
    while (this.#isBusy || this.#queue.length > 0) {
      await new Promise<void>((resolve) => this.#options.clock.after(1, resolve));
    }
  }

  /** Whether a FIFO of `size` bytes on the printing side still has room for a byte that arrives at `at`. */
  room(at: number, size: number): boolean {
    if (at < this.#printing.from || at >= this.#printing.to) return true;
    this.#printing.arrived += 1;
    return this.#printing.arrived <= size;
  }

  #wake(): void {
    if (this.#isBusy) return;
    this.#freeAt = Math.max(this.#freeAt, this.#options.clock.now());
    this.#step();
  }

  /** Puts one chunk or one kernel line on the line, and comes back when it is through. */
  #step(): void {
    const { clock, rate, speeds } = this.#options;
    for (;;) {
      const line = this.#kernel.shift();
      const chunk = line === undefined ? this.#take() : Buffer.from(line);
      this.#isBusy = chunk.length > 0;
      if (!this.#isBusy) return;
      const bytesPerSecond = rate();
      const from = this.#freeAt;
      const duration = bytesPerSecond === undefined ? 0 : (chunk.length * 1000) / bytesPerSecond;
      this.#freeAt += duration;
      this.#bytes += chunk.length;
      if (line !== undefined) this.#printing = { from, to: this.#freeAt, arrived: 0 };
      const wait = this.#freeAt - clock.now();
      // On a real clock, which may wake late, what is due already goes out at once: the rate stays exact.
      const sentAt = speeds()?.sender;
      if (wait <= 0 && bytesPerSecond !== undefined) this.#through(chunk, from, duration, line, sentAt);
      else {
        clock.after(wait, () => {
          this.#through(chunk, from, duration, line, sentAt);
          this.#step();
        });
        return;
      }
    }
  }

  /** Up to a chunk of what was written, of a random length, so that the kernel may come at any byte. */
  #take(): Buffer {
    const most = this.#options.rate() === undefined ? CHUNK_WITHOUT_RATE : CHUNK;
    const chunk = this.#queue.subarray(0, 1 + Math.floor(this.#options.random() * most));
    this.#queue = this.#queue.subarray(chunk.length);
    this.#taken += chunk.length;
    this.#accept();
    return chunk;
  }

  #accept(): void {
    while (this.#accepted[0] && this.#accepted[0].at <= this.#taken) {
      // Not at once: a Writable's callback may write again.
      const { callback } = this.#accepted[0];
      this.#accepted.shift();
      this.#options.clock.after(0, callback);
    }
  }

  #through(chunk: Buffer, from: number, duration: number, line: string | undefined, sentAt: number | undefined): void {
    const faults = this.#options.faults(sentAt);
    const heardAt = this.#options.speeds()?.receiver;
    const isJunk = sentAt !== undefined && heardAt !== undefined && sentAt !== heardAt;
    const arrived = isJunk
      ? this.#junk((chunk.length * heardAt) / sentAt)
      : this.#damage(chunk, from, duration, faults);
    const isLost = this.#options.isCut();
    if (line !== undefined) this.printed.push({ text: line, intact: !isLost && arrived.equals(chunk) });
    if (isLost || arrived.length === 0) return;
    let at = from + duration + (faults.latencyMs ?? 0);
    if (faults.coalesceMs) at = Math.ceil(at / faults.coalesceMs) * faults.coalesceMs;
    this.#arriving.push({ at, bytes: arrived });
    if (this.#arriving.length === 1) this.#arrive();
  }

  /** Hands over what is due, and comes back for the rest. */
  #arrive(): void {
    const { clock } = this.#options;
    const due = this.#arriving.findIndex(({ at }) => at > clock.now());
    const now = this.#arriving.splice(0, due < 0 ? this.#arriving.length : due);
    if (now.length > 0) this.#deliver(Buffer.concat(now.map(({ bytes }) => bytes)));
    const [next] = this.#arriving;
    if (next) clock.after(next.at - clock.now(), () => this.#arrive());
  }

  /** What a receiver at another speed makes of it: slower, it sees fewer bytes, faster, more. */
  #junk(length: number): Buffer {
    const { random } = this.#options;
    return Buffer.from(Array.from({ length: Math.floor(length + random()) }, () => Math.floor(random() * 256)));
  }

  #damage(chunk: Buffer, from: number, duration: number, faults: Faults): Buffer {
    const { random, survives } = this.#options;
    const { flip = 0, drop = 0, insert = 0 } = faults;
    const out: number[] = [];
    for (const [index, byte] of chunk.entries()) {
      if (!survives(from + (duration * (index + 1)) / chunk.length)) continue;
      if (insert > 0 && random() < insert) out.push(Math.floor(random() * 256));
      if (drop > 0 && random() < drop) continue;
      out.push(flip > 0 && random() < flip ? byte ^ (1 << Math.floor(random() * 8)) : byte);
    }
    return Buffer.from(out);
  }

  #deliver(bytes: Buffer): void {
    const { faults, random, deliver, speeds } = this.#options;
    if (!faults(speeds()?.sender).split) {
      deliver(bytes);
      return;
    }
    for (let from = 0; from < bytes.length; ) {
      const length = 1 + Math.floor(random() * 40);
      deliver(bytes.subarray(from, from + length));
      from += length;
    }
  }
}

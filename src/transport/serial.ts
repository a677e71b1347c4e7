import type { Duplex } from 'node:stream';
import type { Line } from './serial/line.ts';
import { type TakeOptions, takeLine } from './serial/take-line.ts';
import { parseSerialTarget, type SerialTarget } from './serial/target.ts';
import { type Transport, TransportError } from './transport.ts';

/** Of what a line carries, what is left for data: frames, acknowledgements, escaped bytes. */
const linkShare = 0.95;

export interface SerialOptions extends TakeOptions {
  /** How long a device may take to answer, in milliseconds; default 60,000, because it may still be booting. */
  connectTimeoutMs?: number;
}

/**
 * The link on a serial port or an emulator's socket, which this process holds or shares with the one that does. When that
 * ends, the next stream takes the port over.
 */
export class SerialTransport implements Transport {
  readonly kind = 'serial';
  readonly description: string;
  readonly bytesPerSecond?: number;
  readonly #target: SerialTarget;
  readonly #options: SerialOptions;
  readonly #lostListeners = new Set<(reason: string) => void>();
  readonly #waitListeners = new Set<(words: string) => void>();
  readonly #cancel = new AbortController();
  #line: Line | undefined;
  #taking: Promise<Line> | undefined;

  /** Throws a `TransportError` when `target` is not of the form `serial:/dev/ttyUSB0?baud=115200&flow=rtscts`. */
  constructor(target: string, options: SerialOptions = {}) {
    this.#target = parseSerialTarget(target);
    this.#options = options;
    this.description = `serial ${this.#target.path}`;
    // An emulator's line has no speed. Else: a start and a stop bit around each byte, and what the link adds.
    if (options.consoleLog !== undefined) return;
    this.bytesPerSecond = Math.round(((this.#target.fast ?? this.#target.baud) / 10) * linkShare);
  }

  async open(): Promise<Duplex> {
    const patience = { timeoutMs: this.#options.connectTimeoutMs ?? 60_000, signal: this.#cancel.signal };
    const line = await this.#taken();
    try {
      return await line.open('api', patience);
    } catch (error) {
      if (!line.isClosed || this.#cancel.signal.aborted) throw error;
      // Whoever held it has just ended: it can be taken now.
      if (this.#line === line) this.#line = undefined;
      return (await this.#taken()).open('api', patience);
    }
  }

  onLost(listener: (reason: string) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  onWaiting(listener: (words: string) => void): () => void {
    this.#waitListeners.add(listener);
    return () => this.#waitListeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#cancel.abort();
    const line = this.#line ?? (await this.#taking?.catch(() => undefined));
    await line?.close();
  }

  #taken(): Promise<Line> {
    if (this.#cancel.signal.aborted) {
      const message = `the connection to ${this.#target.path} was closed`;
      return Promise.reject(new TransportError(message, { retry: false }));
    }
    if (this.#line) return Promise.resolve(this.#line);
    this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  async #take(): Promise<Line> {
    const line = await takeLine(this.#target, this.#options);
    const lost = (reason: string): void => {
      if (this.#cancel.signal.aborted) return;
      for (const listener of this.#lostListeners) listener(reason);
    };
    line.on('down', lost);
    line.on('waiting', (words) => {
      for (const listener of this.#waitListeners) listener(words);
    });
    line.once('closed', (reason) => {
      if (this.#line === line) this.#line = undefined;
      lost(reason);
    });
    // It may have gone before anybody listened.
    if (!line.isClosed) this.#line = line;
    return line;
  }
}

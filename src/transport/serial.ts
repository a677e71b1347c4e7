import type { Duplex } from 'node:stream';
import type { TerminalSize } from '../shared/link/console-protocol.ts';
import { createLink, type Link, priorities } from '../shared/link/link.ts';
import { LinkError } from '../shared/link/link-error.ts';
import { sanitizeText } from '../shared/text/sanitize.ts';
import { plainConsole, type SerialConsole, shellConsole } from './serial/console.ts';
import { connectWhenListening } from './serial/emulated-line.ts';
import { lockPort } from './serial/lock-file.ts';
import { type OpenPort, openPort } from './serial/port.ts';
import { parseSerialTarget, type SerialTarget } from './serial/target.ts';
import { type Transport, TransportError } from './transport.ts';

export interface SerialOptions {
  /** How long a device may take to answer, in milliseconds; default 60,000, because it may still be booting. */
  connectTimeoutMs?: number;
  /** An emulator's record of what its console printed. */
  consoleLog?: string;
}

/** One serial port, or an emulator's socket, and the one link on it. */
export class SerialTransport implements Transport {
  readonly kind = 'serial';
  readonly description: string;
  readonly #target: SerialTarget;
  readonly #timeoutMs: number;
  readonly #consoleLog: string | undefined;
  readonly #lostListeners = new Set<(reason: string) => void>();
  readonly #textListeners = new Set<(text: Buffer) => void>();
  readonly #plain = new Set<Duplex>();
  readonly #cancel = new AbortController();
  #link: Link | undefined;
  #opening: Promise<Link> | undefined;
  #connecting: Promise<Link> | undefined;

  /** Throws a `TransportError` when `target` is not of the form `serial:/dev/ttyUSB0?baud=115200`. */
  constructor(target: string, options: SerialOptions = {}) {
    this.#target = parseSerialTarget(target);
    this.#timeoutMs = options.connectTimeoutMs ?? 60_000;
    this.#consoleLog = options.consoleLog;
    this.description = `serial ${this.#target.path}`;
  }

  async open(): Promise<Duplex> {
    const link = await this.#connected();
    return link.openStream('api', priorities.api);
  }

  onLost(listener: (reason: string) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  /** Console text of the device as it comes, raw: kernel messages, boot loaders, whatever is not the link. */
  onText(listener: (text: Buffer) => void): () => void {
    this.#textListeners.add(listener);
    return () => this.#textListeners.delete(listener);
  }

  /**
   * A terminal on the device. `plain`: the line as it is, without a link; needs nothing of the device. Rejects as `open`
   * does; `plain` also while a link is up, because both cannot type at once.
   */
  async openConsole(size: TerminalSize, options: { plain?: boolean } = {}): Promise<SerialConsole> {
    if (!options.plain) {
      const link = await this.#connected();
      return shellConsole(link, link.openStream('console', priorities.console), size);
    }
    const link = await this.#opened();
    if (link.state !== 'plain') {
      throw new TransportError(`${this.#target.path} carries a link: close what uses it, then open the plain console`, {
        retry: true,
      });
    }
    const console = plainConsole(link);
    this.#plain.add(console.stream);
    console.stream.once('close', () => this.#plain.delete(console.stream));
    return console;
  }

  async close(): Promise<void> {
    this.#cancel.abort();
    const link = this.#link ?? (await this.#opening?.catch(() => undefined));
    await link?.close();
  }

  /** The link, up. Callers that come while it is being made share one attempt. */
  #connected(): Promise<Link> {
    if (this.#link?.state === 'up') return Promise.resolve(this.#link);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Link> {
    const link = await this.#opened();
    const patience = { limitMs: this.#timeoutMs, signal: this.#cancel.signal };
    const connect = ({ limitMs, signal }: typeof patience) => link.connect({ deadlineMs: limitMs, signal });
    try {
      if (this.#consoleLog === undefined) await connect(patience);
      else await connectWhenListening(this.#consoleLog, patience, connect);
    } catch (error) {
      throw error instanceof LinkError ? this.#explain(error, link.recentText) : error;
    }
    return link;
  }

  #opened(): Promise<Link> {
    if (this.#cancel.signal.aborted) return Promise.reject(this.#closedError());
    if (this.#link) return Promise.resolve(this.#link);
    this.#opening ??= this.#openPort().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openPort(): Promise<Link> {
    const release = lockPort(this.#target.path);
    let port: OpenPort;
    try {
      port = await openPort(this.#target);
    } catch (error) {
      release();
      throw error;
    }
    const link = createLink(port.stream, { role: 'host', bytesPerSecond: port.bytesPerSecond });
    link.on('text', (text) => {
      for (const listener of this.#textListeners) listener(text);
    });
    link.on('down', (reason) => {
      if (this.#cancel.signal.aborted) return;
      for (const listener of this.#lostListeners) listener(reason);
    });
    link.on('announced', () => {
      // A device that has come back is connected to at once, so that whoever opens a stream next does not wait; if that
      // fails, their own attempt says why. Somebody who types into the plain console is not interrupted.
      if (this.#plain.size === 0) this.#connected().catch(() => undefined);
    });
    link.once('closed', () => {
      release();
      if (this.#link === link) this.#link = undefined;
    });
    this.#link = link;
    return link;
  }

  #explain(error: LinkError, recent: string): TransportError {
    const { path } = this.#target;
    if (error.code === 'aborted') return this.#closedError();
    if (error.code === 'version') {
      const message = `${path}: ${error.message}. Use the version of Gantry that built the device's image, or swap its init container`;
      return new TransportError(message, { retry: false, cause: error });
    }
    if (error.code === 'closed') {
      return new TransportError(`${path}: ${error.message} while connecting`, { retry: true, cause: error });
    }
    const seconds = this.#timeoutMs / 1000;
    const text = sanitizeText(recent, { color: false }).trim().split('\n').slice(-3).join('\n  ');
    const message = text
      ? `no Gantry answered on ${path} within ${seconds} s. The device last printed:\n  ${text}\nLook with: gantry console --plain`
      : `nothing answered on ${path} within ${seconds} s, and nothing was printed: is the device on, the cable right, the baud rate ${this.#target.baud}?`;
    return new TransportError(message, { retry: true, cause: error });
  }

  #closedError(): TransportError {
    return new TransportError(`the connection to ${this.#target.path} was closed`, { retry: false });
  }
}

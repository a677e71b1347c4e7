import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { createLink, type Link } from '../../shared/link/link.ts';
import { LinkError } from '../../shared/link/link-error.ts';
import { priorities } from '../../shared/link/link-options.ts';
import { TransportError } from '../transport.ts';
import { connectWhenListening } from './emulated-line.ts';
import { Line, type LineOrder, type LineReport, type LineService, type Patience } from './line.ts';
import type { OpenPort } from './port.ts';
import { SituationWatch } from './situation.ts';
import { fastRates, type SerialTarget } from './target.ts';

export interface HeldLineOptions {
  /** An emulator's record of what its console printed. */
  consoleLog?: string;
  /** Gives the port back to other programs, once it is closed. */
  release(): void;
}

/** One attempt to make the link, for everybody who waits for it. */
interface Attempt {
  done: Promise<void>;
  stop: AbortController;
  waiting: number;
}

/** Those who wait have deadlines of their own; the attempt goes on while there is one. */
const ATTEMPT_MS = 24 * 3600 * 1000;
/** After that something else than Gantry may be there, and is spoken to. */
const LISTENING_MS = 60_000;
const LOOK_MS = 250;
const CLOSING_MS = 3000;

/** A line whose port this process has open. */
export class HeldLine extends Line {
  readonly holder = process.pid;
  /** How many other programs use this line; set by whoever serves them. */
  guests: () => number = () => 0;
  readonly #target: SerialTarget;
  readonly #port: OpenPort;
  readonly #options: HeldLineOptions;
  readonly #link: Link;
  readonly #situation: SituationWatch;
  readonly #openedAt = performance.now();
  #attempt: Attempt | undefined;
  #exclusive = 0;
  readonly #portClosed: Promise<void>;
  #isClosed = false;

  constructor(target: SerialTarget, port: OpenPort, options: HeldLineOptions) {
    super();
    this.#target = target;
    this.#situation = new SituationWatch(target.baud);
    this.#port = port;
    this.#options = options;
    // Everybody who uses this line listens to all of it.
    this.setMaxListeners(0);
    const link = createLink(port.stream, {
      role: 'host',
      bytesPerSecond: port.bytesPerSecond,
      careful: target.flow === 'xonxoff',
      // An emulator's socket has no speed, and is never asked for another one.
      ...(port.bytesPerSecond !== undefined && {
        speed: { safe: target.baud, setBaudRate: (baud) => port.setBaudRate(baud) },
        fastRates: fastRates(target),
      }),
    });
    link.setMaxListeners(0);
    this.#link = link;
    link.on('text', (text) => {
      this.#situation.push(text, performance.now());
      this.emit('text', text);
    });
    link.on('up', () => this.emit('up'));
    link.on('down', (reason) => this.emit('down', reason));
    link.on('announced', () => this.emit('announced'));
    let reason = 'the port was closed';
    link.once('closed', (why) => {
      reason = why;
    });
    // Not before the port is really closed can anybody open it again.
    this.#portClosed = new Promise((resolve) => {
      port.stream.once('close', () => {
        this.#isClosed = true;
        options.release();
        resolve();
        this.emit('closed', reason);
      });
    });
  }

  get isUp(): boolean {
    return this.#link.state === 'up';
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async open(service: LineService, patience: Patience): Promise<Duplex> {
    if (!this.isUp) await this.#connected(patience);
    return this.#link.openStream(service, priorities[service]);
  }

  async openPlain({ exclusive }: { exclusive: boolean }): Promise<Duplex> {
    const link = this.#link;
    const { path } = this.#target;
    if (link.state !== 'plain' && (exclusive || link.state !== 'connecting')) {
      const why = link.state === 'closed' ? 'was closed' : 'carries a link: end what uses it';
      throw new TransportError(`${path} ${why}`, { retry: true });
    }
    if (exclusive) this.#exclusive += 1;
    const stream = new Duplex({
      read() {},
      write: (chunk: Buffer, _encoding, callback) => {
        if (link.state === 'up') callback(new Error('the line carries a link now'));
        else if (link.state === 'closed') callback(new Error('the line was closed'));
        else if (link.writeText(chunk)) callback();
        else link.once('drain', () => callback());
      },
      destroy: (error, callback) => {
        if (exclusive) this.#exclusive -= 1;
        link.off('closed', lost);
        callback(error);
      },
    });
    const lost = (reason: string): void => {
      stream.destroy(new TransportError(reason, { retry: true }));
    };
    link.once('closed', lost);
    stream.on('error', () => {});
    return stream;
  }

  async control(order: LineOrder): Promise<LineReport> {
    if (order.do === 'break') await this.#port.sendBreak();
    if (order.do === 'sysrq') {
      await this.#port.sendBreak();
      this.#link.writeText(Buffer.from(order.key, 'latin1'));
    }
    if (order.do === 'set') await this.#port.setLine(order.line, order.on);
    const modem = await this.#port.modemLines().catch(() => undefined);
    const { path, baud, flow } = this.#target;
    return {
      ...{
        path,
        baud: this.#link.baud ?? baud,
        flow,
        holder: this.holder,
        guests: this.guests(),
        link: this.#link.state,
      },
      ...this.#port.traffic(),
      openForMs: Math.round(performance.now() - this.#openedAt),
      ...(modem && { modem }),
    };
  }

  async close(): Promise<void> {
    this.#attempt?.stop.abort();
    await this.#link.close();
    // A driver may wait for bytes that nobody takes; whoever closes the line does not.
    await Promise.race([this.#portClosed, delay(CLOSING_MS, undefined, { ref: false })]);
  }

  /** Resolves when the link is up; whoever waits shares one attempt. */
  async #connected({ timeoutMs, signal }: Patience): Promise<void> {
    if (this.#exclusive > 0) {
      throw new TransportError(
        `${this.#target.path} is used as a bare console (process ${process.pid}): end that, or run it without --plain`,
        { retry: true },
      );
    }
    this.#attempt ??= this.#start();
    const attempt = this.#attempt;
    attempt.waiting += 1;
    const watch = setInterval(() => this.#look(), LOOK_MS);
    let giveUp: () => void = () => undefined;
    try {
      await Promise.race([
        attempt.done,
        new Promise<never>((_, reject) => {
          const timer = setTimeout(() => reject(this.#explain('timeout', timeoutMs)), timeoutMs);
          const abort = (): void => reject(this.#explain('aborted', timeoutMs));
          signal.addEventListener('abort', abort);
          if (signal.aborted) abort();
          giveUp = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', abort);
          };
        }),
      ]);
    } catch (error) {
      throw error instanceof LinkError ? this.#explain(error.code, timeoutMs, error) : error;
    } finally {
      giveUp();
      clearInterval(watch);
      attempt.waiting -= 1;
      if (attempt.waiting === 0) attempt.stop.abort();
    }
  }

  #start(): Attempt {
    const stop = new AbortController();
    const run = async (): Promise<void> => {
      const { consoleLog } = this.#options;
      const connect = ({ signal }: { signal: AbortSignal }) => this.#link.connect({ deadlineMs: ATTEMPT_MS, signal });
      if (consoleLog === undefined) await connect(stop);
      else await connectWhenListening(consoleLog, { limitMs: LISTENING_MS, signal: stop.signal }, connect);
    };
    const done = run().finally(() => {
      if (this.#attempt?.stop === stop) this.#attempt = undefined;
    });
    // Nobody may be waiting any more when it fails.
    done.catch(() => undefined);
    stop.signal.addEventListener('abort', () => {
      if (this.#attempt?.stop === stop) this.#attempt = undefined;
    });
    return { done, stop, waiting: 0 };
  }

  #saw = '';
  /** Tells those who wait what is seen, when it has changed. */
  #look(): void {
    const { words } = this.#situation.seen(performance.now());
    if (words === this.#saw) return;
    this.#saw = words;
    this.emit('waiting', words);
  }

  #explain(code: LinkError['code'], timeoutMs: number, cause?: LinkError): TransportError {
    const { path } = this.#target;
    const fail = (message: string, retry: boolean): TransportError => new TransportError(message, { retry, cause });
    if (code === 'aborted') return fail(`the connection to ${path} was closed`, false);
    if (code === 'version') {
      const remedy = "Use the version of Gantry that built the device's image, or swap its init container";
      return fail(`${path}: ${cause?.message}. ${remedy}`, false);
    }
    if (code === 'closed') return fail(`${path}: ${cause?.message} while connecting`, true);
    const { words } = this.#situation.seen(performance.now());
    const lines = this.#situation.lastLines;
    const seconds = timeoutMs / 1000;
    if (lines.length === 0) {
      return fail(
        `nothing answered on ${path} within ${seconds} s, and nothing was printed: is the device on, the cable right, the baud rate ${this.#target.baud}?`,
        true,
      );
    }
    return fail(
      `no Gantry answered on ${path} within ${seconds} s: ${words}. The device last printed:\n  ${lines.join('\n  ')}\nLook with: gantry console`,
      true,
    );
  }
}

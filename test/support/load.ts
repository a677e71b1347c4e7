import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Requests to one page, and what became of every single one. It says what generators of load do not: which failed and
 * how, the longest time without an answer, and when the page changed.
 */
export interface LoadOptions {
  host: string;
  port: number;
  path?: string;
  /** `fresh`: a connection for each request. `kept`: connections are used again as long as the server lets them. */
  connections: 'fresh' | 'kept';
  /** Closed loop: this many clients, each sends when it has its answer. */
  clients?: number;
  /** Open loop: this many requests a second, whether or not others were answered. */
  rate?: number;
  timeoutMs?: number;
}

export type Failure = 'refused' | 'reset' | 'closed' | 'timeout' | 'status' | 'other';

export interface LoadReport {
  sent: number;
  answered: number;
  failed: Partial<Record<Failure, number>>;
  /**
   * A kept connection was closed by the server before any byte of an answer, and the request was sent again on a fresh
   * one, as every client does (RFC 9112, 9.3.1). Not a failure.
   */
  repeated: number;
  /** Milliseconds between two answers, at most. */
  longestGapMs: number;
  /** From the last answer with the first page to the first answer with another one; undefined when the page stayed. */
  changeGapMs?: number;
  /** The slowest answer. */
  slowestMs: number;
}

interface Outcome {
  failure?: Failure;
  body: string;
  reusable?: Socket;
  /** No byte of an answer came. */
  silent: boolean;
}

export class Load {
  readonly #options: LoadOptions & { timeoutMs: number };
  readonly #idle: Socket[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #report: LoadReport = { sent: 0, answered: 0, failed: {}, repeated: 0, longestGapMs: 0, slowestMs: 0 };
  #stopping = false;
  #lastAnswerAt: number | undefined;
  #firstPage: string | undefined;
  #lastOfFirst = 0;

  constructor(options: LoadOptions) {
    this.#options = { timeoutMs: 10_000, ...options };
    const { clients, rate } = options;
    if (rate !== undefined) this.#track(this.#openLoop(rate));
    else for (let client = 0; client < (clients ?? 1); client++) this.#track(this.#closedLoop());
  }

  /** How many answers came so far, for who waits until load flows. */
  get answered(): number {
    return this.#report.answered;
  }

  /** Sends nothing more, waits for the answers that are due, and tells. */
  async stop(): Promise<LoadReport> {
    this.#stopping = true;
    while (this.#running.size > 0) await Promise.all(this.#running);
    for (const socket of this.#idle) socket.destroy();
    return this.#report;
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  async #closedLoop(): Promise<void> {
    while (!this.#stopping) {
      await this.#request();
      // A refusal comes at once: without a breath, failures would be counted as fast as a processor can fail.
      if (this.#report.answered === 0 || this.#failing) await delay(1);
    }
  }

  #failing = false;

  async #openLoop(rate: number): Promise<void> {
    const started = performance.now();
    for (let sent = 0; !this.#stopping; sent++) {
      const wait = started + (sent * 1000) / rate - performance.now();
      if (wait > 0) await delay(wait);
      this.#track(this.#request());
    }
  }

  async #request(): Promise<void> {
    const report = this.#report;
    report.sent++;
    const started = performance.now();
    const kept = this.#options.connections === 'kept' ? this.#idle.pop() : undefined;
    let outcome = await this.#exchange(kept);
    if (kept && outcome.silent && (outcome.failure === 'closed' || outcome.failure === 'reset')) {
      report.repeated++;
      outcome = await this.#exchange(undefined);
    }
    if (outcome.reusable) this.#idle.push(outcome.reusable);
    this.#failing = outcome.failure !== undefined;
    if (outcome.failure !== undefined) {
      report.failed[outcome.failure] = (report.failed[outcome.failure] ?? 0) + 1;
      return;
    }
    const now = performance.now();
    report.answered++;
    report.slowestMs = Math.max(report.slowestMs, now - started);
    if (this.#lastAnswerAt !== undefined) report.longestGapMs = Math.max(report.longestGapMs, now - this.#lastAnswerAt);
    this.#lastAnswerAt = now;
    this.#firstPage ??= outcome.body;
    if (outcome.body === this.#firstPage) this.#lastOfFirst = now;
    else report.changeGapMs ??= now - this.#lastOfFirst;
  }

  #exchange(kept: Socket | undefined): Promise<Outcome> {
    const { host, port, path = '/', connections, timeoutMs } = this.#options;
    const socket = kept ?? connect({ host, port, noDelay: true });
    const connection = connections === 'kept' ? 'keep-alive' : 'close';
    let received = '';
    return new Promise((resolve) => {
      const finish = (failure: Failure | undefined, body = '', reusable = false) => {
        clearTimeout(timer);
        socket.removeAllListeners();
        socket.on('error', () => undefined);
        if (reusable) {
          // One that the server closes while it is idle is no good any more.
          socket.once('close', () => this.#forget(socket));
          socket.once('end', () => this.#forget(socket));
        } else socket.destroy();
        resolve({ failure, body, silent: received === '', ...(reusable ? { reusable: socket } : {}) });
      };
      const timer = setTimeout(() => finish('timeout'), timeoutMs);
      const look = () => {
        const answer = parseAnswer(received);
        if (answer === undefined) return;
        if (answer.status !== 200) return finish('status');
        finish(undefined, answer.body, connections === 'kept' && answer.keepAlive);
      };
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
        look();
      });
      socket.on('error', ({ code }: NodeJS.ErrnoException) => {
        finish(code === 'ECONNREFUSED' ? 'refused' : code === 'ECONNRESET' || code === 'EPIPE' ? 'reset' : 'other');
      });
      socket.on('close', () => finish('closed'));
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: ${connection}\r\n\r\n`);
    });
  }

  #forget(socket: Socket): void {
    const at = this.#idle.indexOf(socket);
    if (at >= 0) this.#idle.splice(at, 1);
    socket.destroy();
  }
}

/** Undefined until the whole answer is there. */
export function parseAnswer(text: string): { status: number; body: string; keepAlive: boolean } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const length = Number(/^content-length:\s*(\d+)/im.exec(head)?.[1] ?? 0);
  const body = text.slice(end + 4);
  if (body.length < length) return undefined;
  return { status: Number(head.split(' ')[1]), body, keepAlive: !/^connection:\s*close/im.test(head) };
}

import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { sanitizeLine } from '../../../shared/text/sanitize.ts';
import { TransportError } from '../../transport.ts';
import { Line, type LineOrder, type LineReport, type LineService, type Patience } from '../line.ts';
import type { SerialTarget } from '../target.ts';
import { checkPeer } from './peer.ts';
import { failureOf, onRecords, parseJson, recordStream } from './record-stream.ts';
import {
  answerSchema,
  encodeWords,
  eventSchema,
  SHARING_VERSION,
  type SharingEvent,
  type SharingRecord,
} from './records.ts';

/** What a kind of request adds to what all have. */
type Ask =
  | { kind: 'watch' }
  | { kind: 'stream'; service: LineService; timeoutMs: number }
  | { kind: 'plain'; exclusive: boolean }
  | { kind: 'control'; order: LineOrder };

/** How much longer than the holder's own deadline its answer may take, in milliseconds. */
const GRACE_MS = 5000;

/**
 * Joins the process that holds a line, over its socket. Undefined when nobody listens there, or not any more; rejects with a
 * `TransportError` when the holder refuses.
 */
export async function joinLine(path: string, target: SerialTarget): Promise<Line | undefined> {
  const socket = await dial(path);
  if (!socket) return undefined;
  const line = new GuestLine(path, target, socket);
  return (await line.ready) ? line : undefined;
}

class GuestLine extends Line {
  holder = 0;
  /** False: the holder ended before it said anything. */
  readonly ready: Promise<boolean>;
  readonly #path: string;
  readonly #target: SerialTarget;
  readonly #watch: Socket;
  #isUp = false;
  #isClosed = false;
  #closedBecause: string | undefined;

  constructor(path: string, target: SerialTarget, socket: Socket) {
    super();
    this.setMaxListeners(0);
    this.#path = path;
    this.#target = target;
    this.#watch = socket;
    this.ready = new Promise((resolve, reject) => {
      onRecords(socket, ({ type, bytes }) => {
        if (type === 'data') this.emit('text', bytes);
        else if (type === 'fail') {
          reject(failureOf(bytes));
          socket.destroy();
        } else if (type === 'words') {
          const event = eventSchema.safeParse(parseJson(bytes));
          if (!event.success) return;
          this.#happened(event.data);
          if (event.data.event === 'hello') resolve(true);
        }
      });
      socket.once('close', () => {
        resolve(false);
        this.#lost();
      });
      socket.once('end', () => socket.destroy());
    });
    socket.write(this.#request({ kind: 'watch' }));
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async open(service: LineService, { timeoutMs, signal }: Patience): Promise<Duplex> {
    return this.#openStream({ kind: 'stream', service, timeoutMs }, { timeoutMs: timeoutMs + GRACE_MS, signal });
  }

  async openPlain({ exclusive }: { exclusive: boolean }): Promise<Duplex> {
    return this.#openStream(
      { kind: 'plain', exclusive },
      { timeoutMs: GRACE_MS, signal: new AbortController().signal },
    );
  }

  async control(order: LineOrder): Promise<LineReport> {
    const { socket, record } = await this.#ask({ kind: 'control', order }, GRACE_MS, new AbortController().signal);
    socket.destroy();
    const answer = answerSchema.safeParse(parseJson(record.bytes));
    if (!answer.success || !answer.data.report)
      throw new TransportError(`process ${this.holder}, which holds the line, answered in a strange way`, {
        retry: true,
      });
    return answer.data.report;
  }

  async close(): Promise<void> {
    this.#closedBecause ??= 'it was closed';
    this.#watch.destroy();
  }

  #happened(event: SharingEvent): void {
    switch (event.event) {
      case 'hello':
        this.holder = event.holder;
        this.#isUp = event.isUp;
        break;
      case 'up':
        this.#isUp = true;
        this.emit('up');
        break;
      case 'down':
        this.#isUp = false;
        this.emit('down', sanitizeLine(event.reason, { color: false }));
        break;
      case 'announced':
        this.emit('announced');
        break;
      case 'waiting':
        this.emit('waiting', sanitizeLine(event.words, { color: false }));
        break;
      case 'closed':
        this.#closedBecause ??= sanitizeLine(event.reason, { color: false });
        break;
    }
  }

  #lost(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isUp = false;
    this.emit('closed', this.#lostWords());
  }

  #lostWords(): string {
    return this.#closedBecause ?? `process ${this.holder || ''}, which held the line, has ended`.replace('  ', ' ');
  }

  #request(ask: Ask): Buffer {
    const { baud, flow } = this.#target;
    return encodeWords('words', { version: SHARING_VERSION, baud, flow, ...ask });
  }

  async #openStream(ask: Ask, patience: Patience): Promise<Duplex> {
    const { socket, later } = await this.#ask(ask, patience.timeoutMs, patience.signal);
    const { stream, feed } = recordStream(socket, `the line was lost: ${this.#lostWords()}`);
    later(feed);
    return stream;
  }

  /** A connection of its own for one request; resolves with the holder's first answer. */
  async #ask(
    ask: Ask,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<{ socket: Socket; record: SharingRecord; later(feed: (record: SharingRecord) => void): void }> {
    const socket = await dial(this.#path);
    if (!socket || this.#isClosed) {
      socket?.destroy();
      this.#watch.destroy();
      this.#lost();
      throw new TransportError(this.#lostWords(), { retry: true });
    }
    return new Promise((resolve, reject) => {
      let feed: ((record: SharingRecord) => void) | undefined;
      const early: SharingRecord[] = [];
      const settle = (error?: TransportError): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        socket.off('close', lost);
        socket.off('end', lost);
        if (!error) return;
        socket.destroy();
        reject(error);
      };
      const lost = (): void => settle(new TransportError(this.#lostWords(), { retry: true }));
      const abort = (): void =>
        settle(new TransportError(`the connection to ${this.#target.path} was closed`, { retry: false }));
      const timer = setTimeout(() => {
        settle(new TransportError(`process ${this.holder}, which holds the line, does not answer`, { retry: true }));
      }, timeoutMs);
      signal.addEventListener('abort', abort);
      if (signal.aborted) return abort();
      socket.once('close', lost);
      socket.once('end', lost);
      let isAnswered = false;
      onRecords(socket, (record) => {
        if (feed) return feed(record);
        if (isAnswered) {
          early.push(record);
          return;
        }
        isAnswered = true;
        if (record.type === 'fail') return settle(failureOf(record.bytes));
        settle();
        const later = (next: (record: SharingRecord) => void): void => {
          feed = next;
          for (const waiting of early.splice(0)) next(waiting);
        };
        resolve({ socket, record, later });
      });
      socket.write(this.#request(ask));
    });
  }
}

/** Undefined when nobody listens. */
function dial(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once('error', () => resolve(undefined));
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      socket.on('error', () => undefined);
      checkPeer(socket).then(
        () => resolve(socket),
        () => {
          socket.destroy();
          resolve(undefined);
        },
      );
    });
  });
}

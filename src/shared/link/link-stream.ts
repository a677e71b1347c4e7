import { Duplex } from 'node:stream';
import { BlockDecoder, BlockEncoder } from './compression.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import { SendBuffer } from './send-buffer.ts';

/** Unread bytes that each side takes for a stream before it has to be asked. Part of the protocol. */
export const CREDIT = 64 * 1024;
/** Unacknowledged bytes kept for a stream before its writer has to wait. */
const SEND_BUFFER = 64 * 1024;
/** A stream that sent this much without a pause is a bulk transfer, whatever it was opened as. */
const BURST_BYTES = 16 * 1024;
const BURST_PAUSE_MS = 250;
/** What bursts are sent as: see `priorities`. */
const BULK = 4;

/** `code`: ELINKDOWN, the link below is gone; ECONNRESET, the other side ended the stream; EPROTO, it broke the rules. */
export class LinkStreamError extends Error {
  readonly code: 'ELINKDOWN' | 'ECONNRESET' | 'EPROTO';
  constructor(code: 'ELINKDOWN' | 'ECONNRESET' | 'EPROTO', message: string) {
    super(message);
    this.name = 'LinkStreamError';
    this.code = code;
  }
}

/** What a stream asks of its session. */
export interface StreamOwner {
  /** Whether the bytes of streams travel in blocks: see `BlockEncoder`. */
  readonly compresses: boolean;
  now(): number;
  /** There may be something to send. */
  wake(): void;
  credit(stream: LinkStream): void;
  reset(stream: LinkStream, reason: string): void;
  /** Both directions ended and were acknowledged. */
  done(stream: LinkStream): void;
}

/**
 * One stream of a link. `finish` means that the other side has everything. `destroy()` before both directions ended
 * resets it: the other side gets ECONNRESET. Has the methods that Node's http expects of a socket.
 */
export class LinkStream extends Duplex {
  readonly id: number;
  service = '';
  priority = BULK;
  readonly sending = new SendBuffer(CREDIT);
  readonly receiving = new ReceiveBuffer(CREDIT);
  readonly #owner: StreamOwner;
  readonly #encoder: BlockEncoder | undefined;
  readonly #decoder: BlockDecoder | undefined;
  #wantsMore = false;
  #endPushed = false;
  #pendingWrite: ((error?: Error | null) => void) | undefined;
  #pendingFinal: ((error?: Error | null) => void) | undefined;
  #burst = 0;
  #sentAt = Number.NEGATIVE_INFINITY;
  #idle: { ms: number; timer: NodeJS.Timeout } | undefined;
  #isOver = false;
  #resetError: LinkStreamError | undefined;

  constructor(owner: StreamOwner, id: number) {
    super({ allowHalfOpen: true, readableHighWaterMark: 16 * 1024, writableHighWaterMark: 16 * 1024 });
    this.#owner = owner;
    this.id = id;
    this.#encoder = owner.compresses ? new BlockEncoder() : undefined;
    this.#decoder = owner.compresses ? new BlockDecoder() : undefined;
    // An idle stream may have nobody who listens; that the link went down under it must not end the process. Whoever
    // uses the stream still sees `error` and `close`.
    this.on('error', () => {});
  }

  /** Lower goes first. */
  get effectivePriority(): number {
    const paused = this.#owner.now() - this.#sentAt > BURST_PAUSE_MS;
    return this.#burst > BURST_BYTES && !paused ? Math.max(this.priority, BULK) : this.priority;
  }

  /** The session put `bytes` of this stream on the line. */
  noteSent(bytes: number): void {
    const now = this.#owner.now();
    if (now - this.#sentAt > BURST_PAUSE_MS) this.#burst = 0;
    this.#burst += bytes;
    this.#sentAt = now;
    this.#touch();
  }

  /** Data from the other side. Returns what is wrong with them, if something is. */
  receive(offset: number, data: Buffer, fin: boolean): string | undefined {
    const wrong = this.receiving.add(offset, data, fin);
    if (wrong !== undefined) return wrong;
    this.#touch();
    this.#deliver();
    return undefined;
  }

  acknowledged(start: number, end: number, fin: boolean): void {
    this.sending.acknowledge(start, end, fin);
    if (this.sending.size <= SEND_BUFFER / 2 || this.sending.isDone) {
      const callback = this.#pendingWrite;
      this.#pendingWrite = undefined;
      callback?.();
    }
    if (this.sending.isDone) {
      const callback = this.#pendingFinal;
      this.#pendingFinal = undefined;
      callback?.();
    }
    this.#checkDone();
  }

  /** The other side reset the stream. What it had sent completely can still be read. */
  wasReset(error: LinkStreamError): void {
    this.#isOver = true;
    this.#resetError = error;
    const isWaited = this.#pendingWrite !== undefined || this.#pendingFinal !== undefined;
    if (this.receiving.isComplete && !this.readableEnded && !isWaited && !this.destroyed) {
      this.once('end', () => this.destroy(error));
    } else {
      this.destroy(error);
    }
  }

  /** The session is over. */
  linkDown(error: LinkStreamError): void {
    this.#isOver = true;
    this.destroy(error);
  }

  override _read(): void {
    this.#wantsMore = true;
    this.#deliver();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#resetError) {
      callback(this.#resetError);
      return;
    }
    // Copied, because callers may use their buffer again while bytes of it wait for an acknowledgement.
    this.sending.append(this.#encoder?.encode(chunk) ?? Buffer.from(chunk));
    this.#touch();
    if (this.sending.size > SEND_BUFFER) this.#pendingWrite = callback;
    else callback();
    this.#owner.wake();
  }

  /** What was written while a write waited goes together, into one block. */
  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#resetError) {
      callback(this.#resetError);
      return;
    }
    this.#pendingFinal = callback;
    this.sending.finish();
    this.#owner.wake();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#idle) clearTimeout(this.#idle.timer);
    const isClean = this.sending.isDone && this.receiving.isComplete;
    if (!this.#isOver) {
      this.#isOver = true;
      if (isClean) this.#owner.done(this);
      else this.#owner.reset(this, error?.message ?? 'closed');
    }
    callback(error);
  }

  /** As net.Socket's: ends the stream after what was written; it closes once the other side ended too. */
  destroySoon(): void {
    if (this.writable) this.end();
  }

  /** As net.Socket's: emits `timeout` after `ms` without bytes in either direction; 0 switches it off. */
  setTimeout(ms: number, listener?: () => void): this {
    if (this.#idle) clearTimeout(this.#idle.timer);
    this.#idle = ms > 0 ? { ms, timer: setTimeout(() => this.emit('timeout'), ms) } : undefined;
    this.#idle?.timer.unref();
    if (listener) {
      if (ms > 0) this.once('timeout', listener);
      else this.off('timeout', listener);
    }
    return this;
  }

  /** The link watches over itself: nothing to set for one stream. */
  setKeepAlive(): this {
    return this;
  }

  /** Bytes are never held back to be sent with later ones. */
  setNoDelay(): this {
    return this;
  }

  /** The port keeps the process alive, not its streams. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  #touch(): void {
    this.#idle?.timer.refresh();
  }

  #deliver(): void {
    const before = this.receiving.position;
    while (this.#wantsMore && !this.destroyed) {
      const piece = this.receiving.read();
      if (!piece) break;
      for (const data of this.#decode(piece)) this.#wantsMore = this.push(data);
    }
    if (this.destroyed) return;
    if (this.receiving.position > before && !this.receiving.isComplete) this.#owner.credit(this);
    if (this.receiving.isRead && !this.#endPushed) {
      if (this.#decoder?.isBetweenBlocks === false) {
        this.#broken('an end within a block');
        return;
      }
      this.#endPushed = true;
      this.push(null);
      this.#checkDone();
    }
  }

  #decode(piece: Buffer): Buffer[] {
    if (!this.#decoder) return [piece];
    try {
      return this.#decoder.push(piece);
    } catch (error) {
      this.#broken((error as Error).message);
      return [];
    }
  }

  #broken(what: string): void {
    this.destroy(new LinkStreamError('EPROTO', `the other side sent ${what}`));
  }

  #checkDone(): void {
    if (this.#endPushed && this.sending.isDone && !this.#isOver) {
      this.#isOver = true;
      this.#owner.done(this);
    }
  }
}

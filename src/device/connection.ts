import type { Duplex } from 'node:stream';
import { messageOf } from '../shared/message-of.ts';
import { sanitizeLine } from '../shared/text/sanitize.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import type { ConnectionState, ConnectionWatch } from './device.ts';

const firstDelayMs = 200;
const longestDelayMs = 5_000;

/**
 * One device's transport, kept alive: when it is lost, it is made anew, again and again with growing pauses (0.2 s to
 * 5 s), until that works, cannot work any more (a changed key), or `close()`.
 */
export class Connection implements ConnectionWatch {
  readonly #transport: Transport;
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  #state: ConnectionState;
  /** Made to see that the device answers; the next `dial()` uses it. */
  #spare: Duplex | undefined;
  #wake: (() => void) | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#state = { state: 'connecting', detail: transport.description };
    transport.onLost((reason) => this.#lost(reason));
  }

  get current(): ConnectionState {
    return this.#state;
  }

  get description(): string {
    return this.#transport.description;
  }

  subscribe(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The first connection. Rejects with a `TransportError`; one that time could mend only after `patienceMs`
   * milliseconds of trying (default: at once).
   */
  async connect(patienceMs = 0): Promise<void> {
    const giveUpAt = performance.now() + patienceMs;
    for (let delay = firstDelayMs; ; delay = Math.min(delay * 2, longestDelayMs)) {
      try {
        const stream = await this.#transport.open();
        if (this.#isClosed()) {
          stream.destroy();
          throw new Error('closed meanwhile');
        }
        this.#keep(stream);
        this.#set({ state: 'connected' });
        return;
      } catch (error) {
        if (this.#isClosed()) throw new TransportError('the connection was closed', { retry: false });
        const left = giveUpAt - performance.now();
        if (!canRetry(error) || left <= 0) {
          await this.#end(messageOf(error));
          throw error;
        }
        this.#set({ state: 'connecting', detail: messageOf(error) });
        await this.#pause(Math.min(delay, left));
      }
    }
  }

  /** A new stream to the API socket. While the connection is away this fails at once: `whenConnected` waits. */
  async dial(): Promise<Duplex> {
    const state = this.#state;
    if (state.state === 'closed') throw new TransportError(`not connected: ${state.detail}`, { retry: false });
    if (state.state === 'reconnecting') throw new TransportError(`reconnecting: ${state.detail}`, { retry: true });
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare && !spare.destroyed) {
      spare.off('error', ignore);
      spare.off('readable', drop);
      return spare;
    }
    try {
      return await this.#transport.open();
    } catch (error) {
      if (canRetry(error)) this.#lost(messageOf(error));
      else await this.#end(messageOf(error));
      throw error;
    }
  }

  /** Resolves once the state is `connected`; rejects when it is `closed` or `signal` aborts. */
  whenConnected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (state: ConnectionState) => {
        if (state.state === 'connected') resolve();
        else if (state.state === 'closed') {
          reject(new TransportError(`not connected: ${state.detail}`, { retry: false }));
        } else if (signal?.aborted) reject(signal.reason);
        else return;
        unsubscribe();
        signal?.removeEventListener('abort', abort);
      };
      const abort = () => settle(this.#state);
      const unsubscribe = this.subscribe(settle);
      signal?.addEventListener('abort', abort);
      settle(this.#state);
    });
  }

  async close(): Promise<void> {
    await this.#end('closed');
  }

  async #end(detail: string): Promise<void> {
    if (this.#state.state === 'closed') return;
    this.#set({ state: 'closed', detail });
    this.#wake?.();
    this.#spare?.destroy();
    await this.#transport.close();
  }

  #lost(reason: string): void {
    if (this.#state.state !== 'connected') return;
    this.#set({ state: 'reconnecting', detail: reason, attempt: 0 });
    void this.#reconnect(reason);
  }

  async #reconnect(reason: string): Promise<void> {
    let detail = reason;
    for (let attempt = 1, delay = firstDelayMs; ; attempt++, delay = Math.min(delay * 2, longestDelayMs)) {
      await this.#pause(delay);
      if (this.#state.state === 'closed') return;
      this.#set({ state: 'reconnecting', detail, attempt });
      try {
        const stream = await this.#transport.open();
        if (this.#isClosed()) {
          stream.destroy();
          return;
        }
        this.#keep(stream);
        this.#set({ state: 'connected' });
        return;
      } catch (error) {
        if (this.#isClosed()) return;
        detail = messageOf(error);
        if (!canRetry(error)) {
          await this.#end(detail);
          return;
        }
      }
    }
  }

  #isClosed(): boolean {
    return this.#state.state === 'closed';
  }

  #keep(stream: Duplex): void {
    this.#spare?.destroy();
    // Nobody uses it yet: a break must not become an uncaught error, and an end must not go unnoticed.
    stream.on('error', ignore);
    stream.on('readable', drop);
    this.#spare = stream;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #set(to: ConnectionState): void {
    // A reason can quote the device.
    const state = 'detail' in to ? { ...to, detail: sanitizeLine(to.detail, { color: false }) } : to;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function ignore(): void {}

/** A server that says something unasked, or ends, has no use for this stream. */
function drop(this: Duplex): void {
  this.destroy();
}

function canRetry(error: unknown): boolean {
  return !(error instanceof TransportError) || error.retry;
}

import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Transport, TransportError } from './transport.ts';

/** The kernel's limit is 108 bytes, the final zero included. Longer ones would be cut off, and name another file. */
const longestPath = 107;

export interface UnixOptions {
  /** Milliseconds that one connection may take. */
  connectTimeoutMs?: number;
}

/** A socket of this machine: Gantry on top of an existing distribution, a proxy, a test. */
export class UnixTransport implements Transport {
  readonly kind = 'unix';
  readonly description: string;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #open = new Set<Duplex>();
  #closed = false;

  constructor(path: string, options: UnixOptions = {}) {
    this.#path = path;
    this.#timeoutMs = options.connectTimeoutMs ?? 10_000;
    this.description = `unix ${path}`;
  }

  open(): Promise<Duplex> {
    const excess = Buffer.byteLength(this.#path) - longestPath;
    if (excess > 0) {
      const why = `${this.#path} is ${excess} bytes too long for a socket (at most ${longestPath})`;
      return Promise.reject(
        new TransportError(`${why}: give a shorter path, such as a symbolic link`, { retry: false }),
      );
    }
    if (this.#closed) return Promise.reject(new TransportError(`${this.description} was closed`, { retry: false }));
    return new Promise((resolve, reject) => {
      const socket = connect({ path: this.#path, allowHalfOpen: true });
      const deadline = setTimeout(() => {
        socket.destroy(
          new TransportError(`${this.#path} did not answer within ${this.#timeoutMs / 1000} s`, { retry: true }),
        );
      }, this.#timeoutMs);
      const fail = (error: Error) => {
        clearTimeout(deadline);
        reject(error instanceof TransportError ? error : explain(error, this.#path));
      };
      socket.once('error', fail);
      socket.once('connect', () => {
        clearTimeout(deadline);
        socket.off('error', fail);
        this.#open.add(socket);
        socket.once('close', () => this.#open.delete(socket));
        resolve(socket);
      });
    });
  }

  /** Each stream is a connection of its own: there is nothing below them that could be lost. */
  onLost(): () => void {
    return () => undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const socket of this.#open) socket.destroy();
  }
}

function explain(error: NodeJS.ErrnoException, path: string): TransportError {
  const cause = error;
  switch (error.code) {
    case 'ENOENT':
      return new TransportError(`there is no socket ${path}: does what serves it run?`, { retry: true, cause });
    case 'ECONNREFUSED':
      return new TransportError(`nothing answers on ${path}: what served it has ended or is restarting`, {
        retry: true,
        cause,
      });
    case 'EACCES':
    case 'EPERM':
      return new TransportError(`no permission to use ${path}: try as another user, or join the group that owns it`, {
        retry: false,
        cause,
      });
    case 'ENOTSOCK':
      return new TransportError(`${path} is not a socket`, { retry: false, cause });
    default:
      return new TransportError(`cannot connect to ${path}: ${error.message}`, { retry: true, cause });
  }
}

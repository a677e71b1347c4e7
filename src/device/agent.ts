import { Agent, type ClientRequest, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';

/** The device closes an idle connection after 5 s (Node's default): let go of it before a request can meet that. */
const idleMs = 4_000;

/** What Node's http calls on a socket and a plain Duplex does not have. */
const socketMethods = ['setKeepAlive', 'setNoDelay', 'setTimeout', 'ref', 'unref'] as const;

/** An http agent whose connections are streams of a transport. Keeps at most two idle ones. */
export class TransportAgent extends Agent {
  readonly #dial: () => Promise<Duplex>;
  readonly #idle = new WeakMap<Duplex, NodeJS.Timeout>();

  constructor(dial: () => Promise<Duplex>) {
    super({ keepAlive: true, maxFreeSockets: 2, scheduling: 'lifo' });
    this.#dial = dial;
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#dial().then(
      (stream) => callback(null, asSocket(stream)),
      // Node looks at the stream only when there is no error; its type does not say so.
      (error: Error) => (callback as (error: Error) => void)(error),
    );
  }

  override keepSocketAlive(stream: Duplex): boolean {
    // Its type says void; a false means that the device asked for the end of this connection.
    const keep: unknown = super.keepSocketAlive(stream);
    if (keep === false) return false;
    const timer = setTimeout(() => stream.destroy(), idleMs);
    timer.unref();
    this.#idle.set(stream, timer);
    return true;
  }

  override reuseSocket(stream: Duplex, request: ClientRequest): void {
    clearTimeout(this.#idle.get(stream));
    super.reuseSocket(stream, request);
  }
}

function asSocket(stream: Duplex): Duplex {
  // Between one request and the next nobody listens; a request that is given up just then must not end the process.
  stream.on('error', () => undefined);
  for (const method of socketMethods) {
    if (!(method in stream)) Object.defineProperty(stream, method, { value: () => stream, configurable: true });
  }
  return stream;
}

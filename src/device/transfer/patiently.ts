import { setTimeout as sleep } from 'node:timers/promises';
import { TransportError } from '../../transport/transport.ts';
import type { Connection } from '../connection.ts';

/** So long nothing may come over before we say so instead of trying for ever: an init container may begin anew. */
const patienceMs = 60_000;
const pauseMs = 500;

/**
 * Does work over as many connections as it takes: it begins anew after each break, until nothing came over for a while. `attempt`
 * calls `gotOn` whenever it is further than it ever was. `broken` is what is yielded at a break.
 */
export async function* patiently<T>(
  { connection, signal }: { connection: Connection; signal?: AbortSignal | undefined },
  attempt: (gotOn: () => void) => AsyncIterable<T>,
  broken: (error: TransportError) => T,
): AsyncGenerator<T> {
  let gotOnAt = performance.now();
  const gotOn = () => {
    gotOnAt = performance.now();
  };
  for (;;) {
    try {
      yield* attempt(gotOn);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const vainMs = performance.now() - gotOnAt;
      if (!(error instanceof TransportError && error.retry) || vainMs > patienceMs) throw error;
      yield broken(error);
      await sleep(pauseMs, undefined, { signal });
      await connection.whenConnected(signal);
    }
  }
}

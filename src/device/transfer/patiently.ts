import { setTimeout as sleep } from 'node:timers/promises';
import { TransportError } from '../../transport/transport.ts';
import type { Connection } from '../connection.ts';

/** Nothing may come over for so long, while there is a connection, before we say so instead of trying for ever. */
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
  // When the first connection broke since something came over last.
  let vainSince: number | undefined;
  const gotOn = () => {
    vainSince = undefined;
  };
  for (;;) {
    try {
      yield* attempt(gotOn);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const brokeAt = performance.now();
      const since: number = vainSince ?? brokeAt;
      if (!(error instanceof TransportError && error.retry) || brokeAt - since > patienceMs) throw error;
      yield broken(error);
      await sleep(pauseMs, undefined, { signal });
      const awayAt = performance.now();
      await connection.whenConnected(signal);
      // A device that is away for long was not tried for long: it may be restarting.
      vainSince = since + performance.now() - awayAt;
    }
  }
}

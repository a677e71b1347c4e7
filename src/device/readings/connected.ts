import type { ConnectionWatch } from '../device.ts';

/** Resolves when there is a connection, at once if there is; rejects when `signal` aborts. */
export function untilConnected(connection: ConnectionWatch, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    if (connection.current.state === 'connected') return resolve();
    const stop = connection.subscribe(({ state }) => {
      if (state !== 'connected') return;
      stop();
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = () => {
      stop();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

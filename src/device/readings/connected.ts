import type { ConnectionWatch } from '../device.ts';
import { until } from './until.ts';

/** Resolves when there is a connection, at once if there is; rejects when `signal` aborts. */
export function untilConnected(connection: ConnectionWatch, signal: AbortSignal): Promise<void> {
  return until(
    () => connection.current.state === 'connected',
    (listener) => connection.subscribe(listener),
    signal,
  );
}

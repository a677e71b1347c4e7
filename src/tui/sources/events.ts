import type { Device } from '../../device/device.ts';
import type { AppState } from '../store/state.ts';
import type { Store } from '../store/store.ts';
import { Wakeup } from './wakeup.ts';

/** Calls `onEvent` for each state change on the device, through reconnections, until `signal` aborts. */
export async function watchEvents(
  device: Device,
  store: Store<AppState>,
  onEvent: () => void,
  signal: AbortSignal,
): Promise<void> {
  const pause = new Wakeup();
  let failures = 0;
  try {
    for (;;) {
      await store.until((state) => state.connection.state === 'connected', signal);
      try {
        for await (const _event of device.events(signal)) {
          failures = 0;
          onEvent();
        }
      } catch {
        // Nothing to tell anyone: the poller reads the same facts, and the connection has its own banner.
      }
      await pause.wait(Math.min(30_000, 500 * 2 ** failures++), signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

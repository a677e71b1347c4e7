import type { Device, DeviceEvent } from '../device.ts';
import { untilConnected } from './connected.ts';
import { Wakeup } from './wakeup.ts';

/** Calls `onEvent` for each state change on the device, through reconnections, until `signal` aborts. */
export async function followEvents(
  device: Device,
  onEvent: (event: DeviceEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const pause = new Wakeup();
  let failures = 0;
  try {
    for (;;) {
      await untilConnected(device.connection, signal);
      try {
        for await (const event of device.events(signal)) {
          failures = 0;
          onEvent(event);
        }
      } catch {
        // Nothing to tell anyone: readings bring the same facts, and the connection has its own banner.
      }
      await pause.wait(Math.min(30_000, 500 * 2 ** failures++), signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

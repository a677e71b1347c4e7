import { makeTransport, type SshOptions } from '../transport/index.ts';
import type { Device } from './device.ts';
import { GantryDevice } from './gantry-device.ts';
import { resolveTarget } from './resolve-target.ts';

export interface ConnectOptions {
  /** For devices reached by ssh; an emulator's own key files win over these. */
  ssh?: SshOptions;
  /**
   * Milliseconds to go on trying when the device does not answer yet (it is booting). By default an emulator gets a
   * minute, since it is known to run, and any other device is tried once.
   */
  patienceMs?: number;
  /** Called with what keeps the connection from being made, in words, when that changes; never after it was made. */
  onWaiting?: (words: string) => void;
  /** Ends the attempt to connect; without effect afterwards. */
  signal?: AbortSignal;
}

const emulatorPatienceMs = 60_000;

/**
 * Connects to the device that `target` names (see `parseTarget`; undefined or empty = the default device). Rejects with
 * `UnknownDeviceError` or `TransportError`. From then on a lost connection is made anew by itself.
 */
export async function connectDevice(target: string | undefined, options: ConnectOptions = {}): Promise<Device> {
  const { name, endpoint, emulated } = await resolveTarget(target);
  const device = new GantryDevice(name, await makeTransport(endpoint, options.ssh));
  const abort = () => void device.close();
  options.signal?.addEventListener('abort', abort);
  const unsubscribe = device.connection.subscribe((state) => {
    if (state.state === 'connecting') options.onWaiting?.(state.detail);
  });
  try {
    await device.connect(options.patienceMs ?? (emulated ? emulatorPatienceMs : 0));
  } finally {
    unsubscribe();
    options.signal?.removeEventListener('abort', abort);
  }
  return device;
}

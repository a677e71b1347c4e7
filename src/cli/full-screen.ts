import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { connectDevice } from '../device/connect.ts';
import type { Device } from '../device/device.ts';
import { deviceOptions, sshOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { waitingNotes } from './waiting-notes.ts';

/** A connection that is being closed may not keep a person waiting. */
const closeTimeoutMs = 2_000;

/**
 * Connects to the device that the command line names and gives it, and the terminal, to `show` until that ends. The
 * connection is closed however it ends, also by a signal: on a serial line that is what gives the console back.
 * Without a terminal: a usage error that says `insteadOf`.
 */
export async function fullScreen(
  command: Command,
  insteadOf: string,
  show: (device: Device, options: { onExit: () => Promise<void> }) => Promise<void>,
): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) throw new ExitError(exitCodes.usage, insteadOf);
  const options = deviceOptions(command);
  const { onWaiting, done } = waitingNotes();
  const device = await connectDevice(options.device, { ssh: sshOptions(options), onWaiting }).finally(done);
  const close = async () => {
    await Promise.race([device.close(), sleep(closeTimeoutMs, undefined, { ref: false })]);
  };
  try {
    await show(device, { onExit: close });
  } finally {
    await close();
  }
}

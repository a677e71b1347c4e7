import type { Command } from 'commander';
import { connectDevice } from '../device/connect.ts';
import { deviceOptions, sshOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';

/** Plain `gantry`: the terminal UI on a device. */
export async function openUi(command: Command): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new ExitError(
      exitCodes.usage,
      'the terminal UI needs a terminal. For scripts there is: gantry ps --json (see gantry --help)',
    );
  }
  const options = deviceOptions(command);
  const device = await connectDevice(options.device, { ssh: sshOptions(options) });
  try {
    const { runTui } = await import('../tui/main.tsx');
    await runTui(device);
  } finally {
    await device.close();
  }
}

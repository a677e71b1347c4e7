import type { Command } from 'commander';
import { fullScreen } from './full-screen.ts';

/** Plain `gantry`: the terminal UI on a device. */
export async function openUi(command: Command): Promise<void> {
  const insteadOf = 'the terminal UI needs a terminal. For scripts there is: gantry ps --json (see gantry --help)';
  await fullScreen(command, insteadOf, async (device, options) => {
    const { runTui } = await import('../tui/main.tsx');
    await runTui(device, options);
  });
}

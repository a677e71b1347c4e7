import type { Command } from 'commander';
import { addDeviceOptions } from './device-options.ts';
import { fullScreen } from './full-screen.ts';

export function register(program: Command): void {
  const command = program
    .command('top')
    .summary('live charts of processor time and memory')
    .description(
      'Shows, until q: charts of processor time and memory of the system containers, a table of all components, and what changes. It reads once a second, on slow lines more rarely. For scripts: gantry stats.',
    );
  addDeviceOptions(command).action(async () => {
    const insteadOf = 'top draws on a terminal, and there is none. For scripts: gantry stats --json';
    await fullScreen(command, insteadOf, async (device, options) => {
      const { runDashboard } = await import('../dashboard/main.ts');
      await runDashboard(device, options);
    });
  });
}

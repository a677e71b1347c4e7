import type { Command } from 'commander';
import { registerPower } from '../../cli/power.ts';

export function register(program: Command): void {
  const command = program
    .command('reboot')
    .summary('restart the device')
    .description('Restarts the device in order: its onshutdown containers run, file systems are unmounted.');
  registerPower(command, () => 'reboot');
}

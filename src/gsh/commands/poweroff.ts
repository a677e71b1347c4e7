import type { Command } from 'commander';
import { registerPower } from '../../cli/power.ts';

export function register(program: Command): void {
  const command = program
    .command('poweroff')
    .summary('switch the device off')
    .description('Switches the device off in order: its onshutdown containers run, file systems are unmounted.');
  registerPower(command, () => 'poweroff');
}

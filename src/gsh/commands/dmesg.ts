import type { Command } from 'commander';
import { registerLogs } from '../../cli/logs.ts';

export function register(program: Command): void {
  registerLogs(
    program
      .command('dmesg')
      .summary('the log of the kernel')
      .description('Prints the messages of the kernel, also those before the last reboot: the same as "logs kernel".'),
    () => 'kernel',
  );
}

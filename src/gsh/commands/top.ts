import type { Command } from 'commander';
import { registerStats } from '../../cli/stats.ts';

export function register(program: Command): void {
  registerStats(
    program
      .command('top')
      .summary('processor time and memory of the components, live')
      .description('Shows what each component uses, every second, until Ctrl-C: the same as "stats".'),
  );
}

import type { Command } from 'commander';
import { registerLifeCycle } from './life-cycle.ts';

export function register(program: Command): void {
  registerLifeCycle(program, {
    name: 'restart',
    summary: 'restart system containers',
    description: 'Stops and starts system containers.',
    done: 'restarted',
    run: (device, name) => device.restart(name),
  });
}

import type { Command } from 'commander';
import { registerLifeCycle } from './life-cycle.ts';

export function register(program: Command): void {
  registerLifeCycle(program, {
    name: 'start',
    summary: 'start system containers',
    description: 'Starts system containers that were stopped. One that runs already is left alone.',
    done: 'started',
    run: (device, name) => device.start(name),
  });
}

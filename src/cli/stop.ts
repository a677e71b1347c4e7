import type { Command } from 'commander';
import { registerLifeCycle } from './life-cycle.ts';

export function register(program: Command): void {
  registerLifeCycle(program, {
    name: 'stop',
    summary: 'stop system containers',
    description: 'Stops system containers: their stop signal, then SIGKILL. They stay stopped until they are started.',
    done: 'stopped',
    run: (device, name) => device.stop(name),
  });
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ComponentStatus } from '../shared/api/types.ts';
import { formatBytes } from '../shared/text/format.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, printJson, table } from './output.ts';
import { withDevice } from './with-device.ts';

const intervalMs = 1_000;

interface Usage {
  name: string;
  /** Of one processor: 200 is two of them busy. Absent when it does not run. */
  cpuPercent?: number;
  memoryBytes?: number;
}

export function register(program: Command): void {
  const command = program
    .command('stats')
    .summary('processor time and memory of the components')
    .description('Shows what each component uses, every second. With --json: one array a line, for each second.');
  registerStats(command);
}

/** The options and the action of a command that shows what components use. */
export function registerStats(command: Command): void {
  command.option('--no-stream', 'one reading only');
  addJsonOption(addDeviceOptions(command)).action(async (options: { stream: boolean; json?: boolean }) => {
    await withDevice(command, async ({ device, signal }) => {
      const inPlace = options.stream && !options.json && process.stdout.isTTY && process.env.TERM !== 'dumb';
      for (let before = await device.components(); ; ) {
        await sleep(intervalMs, undefined, { signal });
        const after = await device.components();
        const usage = usageOf(before, after);
        if (options.json) printJson(usage);
        else process.stdout.write(`${inPlace ? '\x1b[H\x1b[2J' : ''}${usageTable(usage)}\n`);
        if (!options.stream) return;
        before = after;
      }
    });
  });
}

/** What was used between two readings. A component that was started anew in between has no percentage yet. */
export function usageOf(before: ComponentStatus[], after: ComponentStatus[]): Usage[] {
  return after
    .filter((component) => component.state === 'running')
    .map(({ name, cpu, memoryBytes, startedAt }) => {
      const old = before.find((component) => component.name === name && component.startedAt === startedAt)?.cpu;
      const passed = cpu && old ? cpu.atNs - old.atNs : 0;
      const used = cpu && old ? cpu.usageNs - old.usageNs : 0;
      return {
        name,
        ...(passed > 0 && used >= 0 && { cpuPercent: Math.round((used / passed) * 10_000) / 100 }),
        ...(memoryBytes !== undefined && { memoryBytes }),
      };
    });
}

function usageTable(usage: Usage[]): string {
  const rows = usage.map(({ name, cpuPercent, memoryBytes }) => [
    name,
    cpuPercent === undefined ? '-' : `${cpuPercent.toFixed(1)} %`,
    memoryBytes === undefined ? '-' : formatBytes(memoryBytes),
  ]);
  return table(['NAME', 'CPU', 'MEMORY'], rows);
}

import type { Command } from 'commander';
import { deviceFacts, factLines } from '../device/readings/device-facts.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, printJson } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('info')
    .summary('the device itself')
    .description('Shows what the device is: image, revision, kernel, memory, init container.');
  addJsonOption(addDeviceOptions(command)).action(async (options: { json?: boolean }) => {
    await withDevice(command, async ({ device }) => {
      const info = await device.info();
      if (options.json) printJson(info);
      else process.stdout.write(`${factLines(deviceFacts(info, await device.upgradeStatus())).join('\n')}\n`);
    });
  });
}

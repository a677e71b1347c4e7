import type { Command } from 'commander';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, printJson } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('events')
    .summary('what happens on the device, as it happens')
    .description('Prints a line for each event from now on, until Ctrl-C. With --json: one object a line.');
  addJsonOption(addDeviceOptions(command)).action(async (options: { json?: boolean }) => {
    await withDevice(command, async ({ device, signal }) => {
      for await (const event of device.events(signal)) {
        if (options.json) printJson(event);
        else process.stdout.write(`${event.time} ${event.type} ${event.action} ${event.component}\n`);
      }
    });
  });
}

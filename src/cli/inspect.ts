import type { Command } from 'commander';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, printJson } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('inspect')
    .summary('everything known of a system container')
    .description(
      "Prints Docker's description of a system container as JSON: indented for people, one line with --json.",
    )
    .argument('<name>', 'the system container');
  addJsonOption(addDeviceOptions(command)).action(async (name: string, options: { json?: boolean }) => {
    await withDevice(command, async ({ device }) => {
      const document = await device.inspect(name);
      if (options.json) printJson(document);
      else process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    });
  });
}

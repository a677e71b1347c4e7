import type { Command } from 'commander';
import { addDeviceOptions } from './device-options.ts';
import { describeContainer } from './inspect-text.ts';
import { addJsonOption, printJson } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('inspect')
    .summary('everything known of a system container')
    .description(
      'Says what a system container is, how it is limited, and what it may do beyond the defaults. With --json: all of it, as Docker describes a container.',
    )
    .argument('<name>', 'the system container');
  addJsonOption(addDeviceOptions(command)).action(async (name: string, options: { json?: boolean }) => {
    await withDevice(command, async ({ device }) => {
      const document = await device.inspect(name);
      if (options.json) printJson(document);
      else process.stdout.write(describeContainer(document));
    });
  });
}

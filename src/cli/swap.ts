import type { Command } from 'commander';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption } from './output.ts';
import { showSwap } from './swap-progress.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('swap')
    .summary('replace a component by another image')
    .description(
      'Sends what the device lacks of an image, then replaces the component by it. If the new one is not healthy in ' +
        'time, the device takes the old one back by itself (exit code 4). Ctrl-C does not stop a swap that has begun.',
    )
    .argument('<name>', 'the component')
    .argument('<image>', 'an OCI layout (DIR or oci:DIR, with :TAG), a tar, a component built here, or HOST/NAME:TAG')
    .option('--insist', 'take an image that was rolled back before');
  addJsonOption(addDeviceOptions(command)).action(
    async (name: string, image: string, options: { insist?: boolean; json?: boolean }) => {
      await withDevice(command, async ({ device, color, signal }) => {
        const events = device.swap(name, image, { insist: options.insist, signal });
        await showSwap(events, { json: options.json, color, signal });
      });
    },
  );
}

import type { Command } from 'commander';
import { formatBytes } from '../shared/text/format.ts';
import { addDeviceOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { addJsonOption, note, printJson } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('upgrade')
    .summary('replace the whole image: kernel and root image')
    .description(
      'Sends a composed image to the slot of the data partition that is not in use, and restarts the device into it. It is ' +
        'kept when everything in it is healthy; else the device goes back by itself to what ran before (exit code 4).',
    )
    .argument('<dir>', 'the folder that `gantry build` wrote');
  addJsonOption(addDeviceOptions(command)).action(async (dir: string, options: { json?: boolean }) => {
    await withDevice(command, async ({ device, signal }) => {
      const steps = device.upgrade(dir, { signal });
      for (let step = await steps.next(); ; step = await steps.next()) {
        if (options.json) printJson(step.value);
        if (step.done) {
          const { state, name, id, detail } = step.value;
          if (state !== 'kept')
            throw new ExitError(exitCodes.rolledBack, `the device went back to what ran before: ${detail}`);
          note(`the device runs ${name} (${id}), and starts it at each boot from now on`);
          return;
        }
        const { message, progress } = step.value;
        note(progress ? `${message}: ${formatBytes(progress.done)} of ${formatBytes(progress.total)}` : message);
      }
    });
  });
}

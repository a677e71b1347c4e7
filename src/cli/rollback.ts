import { type Command, InvalidArgumentError } from 'commander';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption } from './output.ts';
import { showSwap } from './swap-progress.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('rollback')
    .summary('go back to an earlier revision')
    .description(
      'Goes back to the previous revision; with NAME only that component, to the image it had before; with --revision ' +
        'to that one. See: gantry revisions',
    )
    .argument('[name]', 'a component')
    .option('--revision <number>', 'the revision to go back to', revisionNumber);
  addJsonOption(addDeviceOptions(command)).action(
    async (name: string | undefined, options: { revision?: number; json?: boolean }) => {
      await withDevice(command, async ({ device, color, signal }) => {
        const events = device.rollback({ name, revision: options.revision });
        await showSwap(events, { json: options.json, color, signal });
      });
    },
  );
}

/** For commander: the number of a revision. */
export function revisionNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give the number of a revision.');
  return Number(text);
}

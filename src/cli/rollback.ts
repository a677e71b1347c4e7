import { type Command, InvalidArgumentError } from 'commander';
import type { RollbackRequest } from '../shared/api/types.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption } from './output.ts';
import { showSwap } from './swap-progress.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('rollback')
    .summary('go back to an earlier revision')
    .description(
      'Goes back to the previous revision; with REVISION (a number) to that one; with NAME only that component, to what ' +
        'it was before. See: gantry revisions',
    )
    .argument('[name|revision]', 'a component, or the number of a revision', rollbackRequest);
  type Options = { json?: boolean };
  addJsonOption(addDeviceOptions(command)).action(async (request: RollbackRequest | undefined, options: Options) => {
    await withDevice(command, async ({ device, color, signal }) => {
      await showSwap(device.rollback(request ?? {}), { json: options.json, color, signal });
    });
  });
}

/** For commander: a number is a revision, anything else a component. */
function rollbackRequest(what: string): RollbackRequest {
  return /^\d+$/.test(what) ? { revision: revisionNumber(what) } : { name: what };
}

/** For commander: the number of a revision. */
export function revisionNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give the number of a revision.');
  return Number(text);
}

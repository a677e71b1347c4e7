import type { Command } from 'commander';
import type { GarbageList } from '../shared/api/types.ts';
import { formatBytes } from '../shared/text/format.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, printJson, table } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('gc')
    .summary('remove what the device does not need any more')
    .description(
      'Removes images, layers and revisions that neither the factory, the current nor the previous revision needs, nor ' +
        'anything that runs. A device does so by itself when an image is sent and there is no room for it, and then ' +
        'removes no more than that takes. What is in quarantine stays.',
    )
    .option('--dry-run', 'only show what would go');
  addJsonOption(addDeviceOptions(command)).action(async (options: { dryRun?: boolean; json?: boolean }) => {
    await withDevice(command, async ({ device }) => {
      const dryRun = options.dryRun ?? false;
      const garbage = await device.collectGarbage(dryRun);
      if (options.json) printJson(garbage);
      else process.stdout.write(`${describe(garbage, dryRun)}\n`);
    });
  });
}

function describe({ items, bytes }: GarbageList, dryRun: boolean): string {
  if (items.length === 0) return 'nothing to remove: everything on the device is needed';
  const rows = items.map((item) => [item.kind, item.name, formatBytes(item.bytes)]);
  const freed = `${dryRun ? 'would free' : 'freed'} ${formatBytes(bytes)}`;
  return `${table(['KIND', 'NAME', 'SIZE'], rows)}\n${freed}`;
}

import type { Command } from 'commander';
import { describeRevision } from '../device/readings/revision-changes.ts';
import type { RevisionSummary } from '../shared/api/types.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, paint, printJson, table } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('revisions')
    .summary('what ran on the device, now and before')
    .description('Lists the revisions of the device, newest first.');
  addJsonOption(addDeviceOptions(command)).action(async (options: { json?: boolean }) => {
    await withDevice(command, async ({ device, color }) => {
      const list = await device.revisions();
      if (options.json) printJson(list);
      else process.stdout.write(`${revisionTable(list.revisions, color)}\n`);
    });
  });
}

const tones: Record<RevisionSummary['state'], Parameters<typeof paint>[0]> = {
  current: 'green',
  previous: 'reset',
  available: 'reset',
  refused: 'red',
  failed: 'red',
  interrupted: 'yellow',
  trying: 'cyan',
  collected: 'dim',
};

function revisionTable(revisions: RevisionSummary[], color: boolean): string {
  const rows = revisions.map((revision) => [
    String(revision.number),
    paint(tones[revision.state], revision.state, color),
    revision.createdAt,
    revision.reason,
    revision.factory && revision.failure === undefined ? '' : describeRevision(revision),
  ]);
  return table(['REVISION', 'STATE', 'CREATED', 'REASON', 'CHANGES'], rows);
}

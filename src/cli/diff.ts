import type { Command } from 'commander';
import { diffRevisions, type RevisionChange } from '../device/diff-revisions.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, note, printJson } from './output.ts';
import { revisionNumber } from './rollback.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('diff')
    .summary('what differs between two revisions')
    .description('Shows which components differ between two revisions, and in what.')
    .argument('<a>', 'number of a revision', revisionNumber)
    .argument('<b>', 'number of another', revisionNumber);
  addJsonOption(addDeviceOptions(command)).action(async (a: number, b: number, options: { json?: boolean }) => {
    await withDevice(command, async ({ device }) => {
      const changes = diffRevisions(await device.revision(a), await device.revision(b));
      if (options.json) printJson(changes);
      else if (changes.length === 0) note(`Revisions ${a} and ${b} are the same.`);
      else process.stdout.write(`${changes.map(describe).join('\n')}\n`);
    });
  });
}

function describe({ name, field, from, to }: RevisionChange): string {
  const show = (value: unknown) => (typeof value === 'string' && !value.includes('\n') ? value : JSON.stringify(value));
  if (field === undefined) return from === undefined ? `+ ${name} ${show(to)}` : `- ${name} ${show(from)}`;
  return `~ ${name} ${field}: ${from === undefined ? 'none' : show(from)} → ${to === undefined ? 'none' : show(to)}`;
}

import type { Command } from 'commander';
import type { UpgradePlan } from '../device/upgrade/plan.ts';
import { partWords, upgradeWords } from '../device/upgrade/words.ts';
import { restarting, type UpgradeProgress } from '../device/upgrade.ts';
import type { UpgradeStatus } from '../shared/api/types.ts';
import { addDeviceOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { addJsonOption, note, paint, printJson } from './output.ts';
import { ProgressLine, progressWords } from './progress-line.ts';
import { withDevice } from './with-device.ts';

interface UpgradeOptions {
  dryRun?: boolean;
  json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('upgrade')
    .summary('replace the whole image: kernel and root image')
    .description(
      'Sends what the device lacks of a composed image, to the slot of the data partition that is not in use, and restarts ' +
        'the device into it. It is kept when everything in it is healthy; else the device goes back by itself to what ran ' +
        'before (exit code 4). When it is interrupted while it sends, the next one goes on there.',
    )
    .argument('<dir>', 'the folder that `gantry build` wrote')
    .option('--dry-run', 'only say what would be sent');
  addJsonOption(addDeviceOptions(command)).action(async (dir: string, options: UpgradeOptions) => {
    await withDevice(command, async ({ device, color, signal }) => {
      if (options.dryRun) {
        const plan = await device.planUpgrade(dir, { signal });
        if (options.json) printJson(plan);
        else process.stdout.write(`${planLines(plan, color).join('\n')}\n`);
        return;
      }
      const { state, name, id, detail } = await show(device.upgrade(dir, { signal }), { json: options.json, signal });
      if (state !== 'kept')
        throw new ExitError(exitCodes.rolledBack, `the device went back to what ran before: ${detail}`);
      note(`the device runs ${name} (${id}), and starts it at each boot from now on`);
    });
  });
}

async function show(
  steps: AsyncGenerator<UpgradeProgress, UpgradeStatus>,
  { json = false, signal }: { json?: boolean | undefined; signal: AbortSignal },
): Promise<UpgradeStatus> {
  const line = new ProgressLine();
  let last: UpgradeProgress | undefined;
  const onAbort = () => {
    line.end();
    note(interruptedWords(last));
  };
  signal.addEventListener('abort', onAbort);
  try {
    for (let step = await steps.next(); ; step = await steps.next()) {
      if (json) printJson(step.value);
      if (step.done) return step.value;
      last = step.value;
      if (json) continue;
      const { message, progress, plan } = step.value;
      if (plan) for (const text of [message, ...plan.parts.map((part) => `  ${partWords(part)}`)]) note(text);
      else line.show({ message, figures: progressWords(progress) }, message, progress);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    line.end();
  }
}

function interruptedWords(last: UpgradeProgress | undefined): string {
  const isSending = last?.progress === undefined || last.progress.done < last.progress.total;
  if (isSending && last?.message !== restarting)
    return 'Interrupted before the device was restarted. What it has of the image stays there: the same command goes on.';
  return 'Interrupted here; the device goes on with the upgrade by itself. See: gantry info';
}

function planLines(plan: UpgradePlan, color: boolean): string[] {
  const { image, method, parts } = plan;
  const lines = [paint('bold', `${image.name} (${image.id})`, color)];
  if (method === 'written') return [...lines, 'Would send nothing: all of it is in its slot.'];
  return [...lines, `Would send ${upgradeWords(plan)}`, ...parts.map((part) => `  ${partWords(part)}`)];
}

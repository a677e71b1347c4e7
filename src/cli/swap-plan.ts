import { transferWords } from '../device/transfer/words.ts';
import type { SwapPlan } from '../shared/api/types.ts';
import { shortDigest } from '../shared/oci/digest.ts';
import { countKinds } from '../shared/text/count-kinds.ts';
import { formatBytes } from '../shared/text/format.ts';
import { paint } from './output.ts';

/** Prints what a swap would do. */
export function showPlan(plan: SwapPlan, color: boolean): void {
  process.stdout.write(`${planLines(plan, color).join('\n')}\n`);
}

function planLines(plan: SwapPlan, color: boolean): string[] {
  const { base, changes, steps, restarts, frees, refused } = plan;
  if (steps.length === 0) return ['Nothing to do: the device already is so.'];
  const heading = (text: string) => paint('bold', text, color);
  const lines = [heading(`From revision ${base}`)];
  for (const { name, from, to, strategy, fields } of changes) {
    const what = from === to ? '' : ` ${from} → ${to}`;
    const settings = fields.length === 0 ? '' : ` (${fields.join(', ')})`;
    lines.push(`  ${name}:${what}${settings}, ${strategy}`);
  }
  lines.push(heading('Steps'), ...steps.map(({ text }, index) => `  ${index + 1}. ${text}`));
  lines.push(...sendLines(plan, heading));
  if (frees.items.length > 0) lines.push(`Would free ${formatBytes(frees.bytes)} for it: ${countKinds(frees.items)}.`);
  lines.push(restarts.length === 0 ? 'Restarts no container.' : `Replaces the containers of ${restarts.join(', ')}.`);
  if (refused !== undefined) lines.push(paint('red', `Would be refused without --retry: ${refused}`, color));
  return lines;
}

function sendLines({ send, transfer }: SwapPlan, heading: (text: string) => string): string[] {
  if (transfer && transfer.parts.length > 0) {
    return [
      heading(`Would send ${transferWords(transfer)}`),
      ...transfer.parts.map(
        ({ component, diffId, method, bytes, wholeBytes }) =>
          `  ${component}: layer ${shortDigest(diffId)}, ` +
          (method === 'whole' ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(wholeBytes)}`),
      ),
    ];
  }
  const bytes = send.reduce((sum, image) => sum + image.bytes, 0);
  const what = bytes === 0 ? 'nothing' : `${formatBytes(bytes)} (${send.map(({ ref }) => ref).join(', ')})`;
  return [`Would send ${what}.`];
}

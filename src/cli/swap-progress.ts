import type { SwapEvent } from '../shared/api/types.ts';
import { formatMilliseconds } from '../shared/text/format.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { note, paint, printJson } from './output.ts';
import { ProgressLine, progressWords, type ShownLine } from './progress-line.ts';

/** Shows the events of a swap or a rollback as they come. Throws with the right exit code if it did not succeed. */
export async function showSwap(
  events: AsyncIterable<SwapEvent>,
  options: { json?: boolean; color: boolean; signal: AbortSignal },
): Promise<void> {
  const { json, color, signal } = options;
  const line = new ProgressLine();
  let begun = false;
  let last: SwapEvent | undefined;
  // Said at once, whatever `events` is waiting for.
  const onAbort = () => {
    line.end();
    note(interruptedWords(begun, last));
  };
  signal.addEventListener('abort', onAbort);
  try {
    for await (const event of events) {
      begun ||= event.sending !== true;
      last = event;
      if (json) printJson(event);
      else line.show(describe(event, color), `${event.stage} ${event.message}`, event.progress);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    line.end();
  }
  if (last?.stage === 'failed') throw new ExitError(exitCodes.rolledBack);
  if (last?.stage !== 'done') throw new ExitError(exitCodes.failed, 'the device ended the swap without saying how');
}

function interruptedWords(begun: boolean, last: SwapEvent | undefined): string {
  const follow = 'gantry ps, gantry revisions';
  if (begun) return `Interrupted here; the device goes on with the swap by itself. Follow it: ${follow}`;
  const isSending = last?.sending && last.progress?.done !== last.progress?.total;
  if (isSending) return 'Interrupted before the swap began; nothing on the device was changed.';
  // The order may be on its way.
  return `Interrupted here; if the device has the order already, it goes on by itself. See: ${follow}`;
}

function describe({ stage, message, progress, downtimeMs, revision }: SwapEvent, color: boolean): ShownLine {
  const style = stage === 'done' ? 'green' : stage === 'failed' || stage === 'rollback' ? 'red' : 'cyan';
  const figures = progressWords(progress);
  if (downtimeMs !== undefined) figures.push(`(away for ${formatMilliseconds(downtimeMs)})`);
  if (revision !== undefined) figures.push(`[revision ${revision}]`);
  return { name: paint(style, stage.padEnd(8), color), message, figures };
}

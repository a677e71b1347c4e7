import type { SwapEvent } from '../shared/api/types.ts';
import { formatBytes, formatMilliseconds } from '../shared/text/format.ts';
import { displayWidth, truncate } from '../shared/text/width.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { note, paint, printJson } from './output.ts';

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
      else line.show(event, color);
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

/** One line a stage; on a terminal the line of an upload is written over. */
class ProgressLine {
  #open = false;
  #shown = '';

  show(event: SwapEvent, color: boolean): void {
    const { progress } = event;
    const moving = progress !== undefined && progress.done < progress.total;
    if (!process.stderr.isTTY || process.env.TERM === 'dumb') {
      // A file does not need a line for each percent.
      const key = `${event.stage} ${event.message}`;
      if (!moving || key !== this.#shown) note(describe(event, color));
      this.#shown = key;
      return;
    }
    // What takes two lines cannot be written over.
    const text = describe(event, color, moving ? (process.stderr.columns || 80) - 1 : undefined);
    process.stderr.write(`${this.#open ? '\r\x1b[2K' : ''}${text}${moving ? '' : '\n'}`);
    this.#open = moving;
  }

  end(): void {
    if (this.#open) process.stderr.write('\n');
    this.#open = false;
  }
}

/** In at most `columns`, of which the figures come first. */
function describe(event: SwapEvent, color: boolean, columns = Number.POSITIVE_INFINITY): string {
  const { stage, message, progress, downtimeMs, revision } = event;
  const style = stage === 'done' ? 'green' : stage === 'failed' || stage === 'rollback' ? 'red' : 'cyan';
  const name = stage.padEnd(8);
  const figures: string[] = [];
  if (progress && progress.total > 0) {
    const { done, total, bytesPerSecond, secondsLeft } = progress;
    figures.push(`${formatBytes(done)} of ${formatBytes(total)} (${Math.floor((100 * done) / total)} %)`);
    if (bytesPerSecond !== undefined && secondsLeft !== undefined && done < total)
      figures.push(`${formatBytes(bytesPerSecond)}/s, ${formatMilliseconds(secondsLeft * 1000)} left`);
  }
  if (downtimeMs !== undefined) figures.push(`(away for ${formatMilliseconds(downtimeMs)})`);
  if (revision !== undefined) figures.push(`[revision ${revision}]`);
  const room = columns - displayWidth([name, '', ...figures].join(' '));
  return [paint(style, name, color), truncate(message, Math.max(0, room)), ...figures].join(' ');
}

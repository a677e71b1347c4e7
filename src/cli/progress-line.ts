import { formatBytes, formatMilliseconds } from '../shared/text/format.ts';
import { note } from './output.ts';

/** How far something is that is sent. */
export interface ShownProgress {
  /** In bytes. */
  done: number;
  total: number;
  bytesPerSecond?: number | undefined;
  secondsLeft?: number | undefined;
}

/** What goes on, one line each; on a terminal the line of what is being sent is written over. */
export class ProgressLine {
  #open = false;
  #shown = '';

  /** `step`: of several lines with the same one, a file gets the first and the last. */
  show(text: string, step: string, progress: ShownProgress | undefined): void {
    const moving = progress !== undefined && progress.done < progress.total;
    if (!process.stderr.isTTY || process.env.TERM === 'dumb') {
      // A file does not need a line for each percent.
      if (!moving || step !== this.#shown) note(text);
      this.#shown = step;
      return;
    }
    process.stderr.write(`${this.#open ? '\r\x1b[2K' : ''}${text}${moving ? '' : '\n'}`);
    this.#open = moving;
  }

  end(): void {
    if (this.#open) process.stderr.write('\n');
    this.#open = false;
  }
}

/** "1.2 MB of 4.0 MB (30 %)", "10.9 kB/s, 4m16s left". */
export function progressWords(progress: ShownProgress | undefined): string[] {
  if (!progress || progress.total === 0) return [];
  const { done, total, bytesPerSecond, secondsLeft } = progress;
  const words = [`${formatBytes(done)} of ${formatBytes(total)} (${Math.floor((100 * done) / total)} %)`];
  if (bytesPerSecond !== undefined && secondsLeft !== undefined && done < total)
    words.push(`${formatBytes(bytesPerSecond)}/s, ${formatMilliseconds(secondsLeft * 1000)} left`);
  return words;
}

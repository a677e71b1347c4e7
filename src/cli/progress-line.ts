import { formatBytes, formatMilliseconds } from '../shared/text/format.ts';
import { displayWidth, truncate } from '../shared/text/width.ts';
import { note } from './output.ts';

/** How far something is that is sent. */
export interface ShownProgress {
  /** In bytes. */
  done: number;
  total: number;
  bytesPerSecond?: number | undefined;
  secondsLeft?: number | undefined;
}

export interface ShownLine {
  name?: string;
  /** What is cut where there is no room for all. */
  message: string;
  figures: readonly string[];
}

/** What goes on, one line each; on a terminal the line of what is being sent is written over. */
export class ProgressLine {
  #open = false;
  #shown = '';

  /** `step`: of several lines with the same one, a file gets the first and the last. */
  show(line: ShownLine, step: string, progress: ShownProgress | undefined): void {
    const moving = progress !== undefined && progress.done < progress.total;
    if (!process.stderr.isTTY || process.env.TERM === 'dumb') {
      // A file does not need a line for each percent.
      if (!moving || step !== this.#shown) note(textOf(line));
      this.#shown = step;
      return;
    }
    // What takes two lines cannot be written over.
    const text = textOf(line, moving ? (process.stderr.columns || 80) - 1 : undefined);
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

/** In at most `columns`, unless name and figures alone take more. */
function textOf({ name, message, figures }: ShownLine, columns = Number.POSITIVE_INFINITY): string {
  const words = (text: string) => [...(name === undefined ? [] : [name]), text, ...figures].join(' ');
  return words(truncate(message, Math.max(0, columns - displayWidth(words('')))));
}

import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { devicePaths } from '../shared/device-paths.ts';

const kept = 500;

/** Where the history is: on the data partition if there is one, else in memory until power-off. */
export function historyFile(): string {
  return existsSync(devicePaths.persistentMark)
    ? join(devicePaths.data, 'gsh/history')
    : join(devicePaths.run, 'gsh-history');
}

/** The lines that were typed, also in former sessions. A disk that is full or broken costs the history and nothing else. */
export class History {
  readonly #path: string;
  #lines: string[] = [];

  constructor(path: string) {
    this.#path = path;
    try {
      const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
      this.#lines = lines.slice(-kept);
      if (lines.length > 2 * kept) {
        writeFileSync(`${path}.new`, `${this.#lines.join('\n')}\n`, { mode: 0o600 });
        renameSync(`${path}.new`, path);
      }
    } catch {
      // None yet, or none that can be read.
    }
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Keeps a line, unless it begins with a space or is the last one again. */
  add(line: string): void {
    if (line.trim() === '' || line.startsWith(' ') || line === this.#lines.at(-1)) return;
    this.#lines = [...this.#lines.slice(1 - kept), line];
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      appendFileSync(this.#path, `${line}\n`, { mode: 0o600 });
    } catch {
      // See above.
    }
  }
}

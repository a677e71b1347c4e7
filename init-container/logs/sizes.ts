import { readdirSync, statfsSync } from 'node:fs';
import { keptRotations } from './files.ts';

/** How large logs may become, in bytes. */
export interface LogSizes {
  /** One file; then the next one is begun. */
  file: number;
  /**
   * conmon itself begins a new file at this size, in place of the old one. Only for a log that grows faster than the init
   * container looks at it, or while that is away.
   */
  backstop: number;
  /** All logs together. */
  total: number;
}

const smallestFile = 256 << 10;
const largestFile = 8 << 20;
/** Components to reckon with, when there are fewer logs. */
const fewestLogs = 8;

/** From the size of the file system: logs take at most an eighth of it, as long as that is room enough. */
export function logSizes(folder: string): LogSizes {
  const { blocks, bsize } = statfsSync(folder);
  const logs = readdirSync(folder).filter((name) => name.endsWith('.log')).length;
  return sizesFor(blocks * bsize, logs);
}

export function sizesFor(fileSystem: number, logs: number): LogSizes {
  const share = fileSystem / 8 / Math.max(logs, fewestLogs) / (keptRotations + 1);
  const file = Math.floor(Math.min(largestFile, Math.max(smallestFile, share)));
  return { file, backstop: 4 * file, total: Math.floor(fileSystem / 8) };
}

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../../src/emulator/programs.ts';
import { messageOf } from '../../../src/shared/message-of.ts';

/** What a program took, with all that it started. */
export interface Taken {
  /** Seconds of processor time. */
  cpu: number;
  /** Bytes: the most that one process had in memory at a time. */
  peak: number;
  stdout: string;
}

/** What is missing to measure anything, in words; undefined when nothing is. */
export function whyNoTime(): string | undefined {
  try {
    findProgram('time', 'time');
    return undefined;
  } catch (error) {
    return `Not measured: ${messageOf(error)}`;
  }
}

/** Runs a program to its end, with low priority. Rejects when it fails. */
export async function timed(program: string, args: readonly string[]): Promise<Taken> {
  const time = findProgram('time', 'time');
  const folder = mkdtempSync(join(tmpdir(), 'gantry-timed-'));
  try {
    const written = join(folder, 'taken');
    const all = ['-n', '19', time, '-f', '%U %S %M', '-o', written, program, ...args];
    const { stdout } = await promisify(execFile)('nice', all, { maxBuffer: 64 * 1024 * 1024 });
    const [user = 0, system = 0, kilobytes = 0] = readFileSync(written, 'utf8').trim().split(' ').map(Number);
    return { cpu: user + system, peak: kilobytes * 1024, stdout };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

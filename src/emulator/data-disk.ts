import { execFile } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stateDir } from './paths.ts';
import { findProgram } from './programs.ts';

/** Where the data disk of a name is, whether it exists or not. */
export function dataDiskPath(name: string): string {
  return join(stateDir(), 'disks', `${name}.ext4`);
}

/**
 * The data disk of a name: a sparse raw file, ext4, label `gantry-data`. Made when there is none; else the one there is,
 * with the size it has. Throws when mkfs.ext4 is missing or the disk cannot be made; leaves no half-made one.
 */
export async function ensureDataDisk(
  name: string,
  bytes: number,
): Promise<{ path: string; bytes: number; made: boolean }> {
  const path = dataDiskPath(name);
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined) return { path, bytes: existing.size, made: false };
  if (bytes < 16 * 2 ** 20) throw new Error(`A data disk of ${bytes} bytes is too small: give 16M or more.`);
  const mkfs = findProgram('mkfs.ext4', 'e2fsprogs');
  mkdirSync(join(stateDir(), 'disks'), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  try {
    const file = openSync(temporary, 'wx', 0o600);
    ftruncateSync(file, bytes);
    closeSync(file);
    await promisify(execFile)(mkfs, ['-q', '-F', '-L', 'gantry-data', '-m', '0', temporary]);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new Error(`The data disk ${path} could not be made: ${(cause as Error).message}`, { cause });
  }
  return { path, bytes, made: true };
}

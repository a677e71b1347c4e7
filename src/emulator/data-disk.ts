import { execFile } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
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

/** Where a copy of a disk image is that a name has for itself, whether it exists or not. */
export function wholeDiskPath(name: string): string {
  return join(stateDir(), 'disks', `${name}.img`);
}

/**
 * The disk of a name on a board that boots from one: a copy of the image's disk, with at least `bytes` in all, which the
 * device's data takes up. Made when there is none; else the one there is, unless another image is on it: that throws.
 */
export async function ensureWholeDisk(
  name: string,
  image: { dir: string; id: string },
  bytes: number,
): Promise<{ path: string; bytes: number; made: boolean }> {
  const path = wholeDiskPath(name);
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined) {
    if (signatureOf(path) === image.id.slice(0, 8)) return { path, bytes: existing.size, made: false };
    throw new Error(
      `The disk ${path} holds another image, and the data of its device. Delete it, or take another name.`,
    );
  }
  mkdirSync(join(stateDir(), 'disks'), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  try {
    // Node's own copy would write every hole of the image.
    await promisify(execFile)('cp', ['--sparse=always', join(image.dir, 'disk.img'), temporary]);
    // QEMU wants a power of two of a card.
    const size = Math.max(statSync(temporary).size, 2 ** Math.ceil(Math.log2(bytes)));
    truncateSync(temporary, size);
    renameSync(temporary, path);
    return { path, bytes: size, made: true };
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new Error(`The disk ${path} could not be made: ${(cause as Error).message}`, { cause });
  }
}

/** The disk's signature, where `gantry build` puts the beginning of the image's id. */
function signatureOf(path: string): string {
  const bytes = Buffer.alloc(4);
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, 4, 440);
  closeSync(file);
  return bytes.toString('hex');
}

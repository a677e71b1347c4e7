import { lstat, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './errors.ts';

/** Bytes of the disk that everything below `path` takes; a file with several names counts once. 0 when there is none. */
export async function diskUsage(path: string, seen = new Set<number>()): Promise<number> {
  try {
    const stat = await lstat(path);
    if (seen.has(stat.ino)) return 0;
    seen.add(stat.ino);
    let bytes = stat.blocks * 512;
    if (stat.isDirectory()) for (const name of await readdir(path)) bytes += await diskUsage(join(path, name), seen);
    return bytes;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** Of the file system that `path` is on; free: for everybody, not only for root. */
export async function fileSystemRoom(path: string): Promise<{ totalBytes: number; freeBytes: number }> {
  const { blocks, bavail, bsize } = await statfs(path);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reopenLog, writersOf } from '../engine/control-fifo.ts';
import { journal } from '../native/journal.ts';
import { keptRotations, rotatedPath } from './files.ts';

export const rotateAtBytes = 8 << 20;

const checkIntervalMs = 5000;

/** Moves a log aside when it has reached `limit`, and has conmon begin a new one. True when it did. */
export async function rotateIfLarge(path: string, name: string, limit = rotateAtBytes): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  if (!info || info.size < limit) return false;
  // Each conmon that opens its log anew puts a new file in the other's place: while there are two, the log may grow.
  const [writer, second] = await writersOf(name);
  if (second !== undefined) return false;
  for (let generation = keptRotations; generation > 1; generation--) {
    await rename(rotatedPath(path, generation - 1), rotatedPath(path, generation)).catch(ignoreMissing);
  }
  await rename(path, rotatedPath(path, 1));
  if (writer !== undefined) await reopenLog(writer);
  return true;
}

/** Keeps every log in the folder below its size. Returns how to stop. */
export function rotateLogs(folder: string): () => void {
  const check = async () => {
    for (const file of await readdir(folder)) {
      if (!file.endsWith('.log')) continue;
      await rotateIfLarge(join(folder, file), file.slice(0, -'.log'.length));
    }
  };
  const timer = setInterval(() => {
    check().catch((error: Error) => journal(`logs cannot be rotated: ${error.message}`));
  }, checkIntervalMs);
  return () => clearInterval(timer);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

import { appendFileSync, linkSync, renameSync, rmSync, type Stats, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { follows, LogFile, rotatedPath, spareName } from './files.ts';
import { k8sLine } from './k8s-line.ts';
import type { LogSizes } from './sizes.ts';
import { endLastLine } from './source.ts';

/** What is said where that cannot be excluded. */
export const gap = 'lines may be missing here: the log grew faster than it could be kept';

/**
 * Keeps one log below its size without losing a line, whether this process or conmon begins the new file. `reopen` has the
 * log's writer begin it; it resolves to false when there is no writer. While it is not `alone` the log may grow: each of
 * two writers would put a new file in the other's place. True when a file has been moved aside.
 */
export async function rotate(
  path: string,
  sizes: LogSizes,
  { reopen, alone }: { reopen: () => Promise<boolean>; alone: () => Promise<boolean> },
): Promise<boolean> {
  const spare = statOf(spareName(path));
  const current = statOf(path);
  let moved = false;
  if (spare && spare.ino === statOf(rotatedPath(path, 1))?.ino) {
    // The last process was killed between moving the file aside and removing its second name.
    rmSync(spareName(path), { force: true });
  } else if (spare && current && spare.ino !== current.ino) {
    await keepReplaced(path);
    moved = true;
  }
  if (!current) {
    // Or before it told the writer, which then still writes to the old one.
    await reopen();
    return moved;
  }
  keepSecondName(path);
  // Two new files in quick succession, ours and conmon's own, would lose what is between them.
  if (current.size < sizes.file || current.size >= 0.75 * sizes.backstop) return moved;
  if (!(await alone())) return moved;
  shift(path);
  renameSync(path, rotatedPath(path, 1));
  rmSync(spareName(path), { force: true });
  if (await reopen()) await appearance(path);
  keepSecondName(path);
  return true;
}

/** The writer does as it is told a moment later. Should it take longer, the next look finds the new file. */
async function appearance(path: string): Promise<void> {
  for (let tries = 0; tries < 25 && !statOf(path); tries++) await sleep(2);
}

/** conmon has put a new file in the place of the old one, which still has its second name. */
async function keepReplaced(path: string): Promise<void> {
  const [old, next] = [await LogFile.open(spareName(path)), await LogFile.open(path)];
  try {
    if (old && next && !(await follows(old, next))) {
      await endLastLine(spareName(path));
      appendFileSync(spareName(path), k8sLine((await old.lastTime()) ?? 0n, 'stderr', '', `gantry: ${gap}`));
    }
  } finally {
    await Promise.all([old?.close(), next?.close()]);
  }
  shift(path);
  renameSync(spareName(path), rotatedPath(path, 1));
}

function shift(path: string): void {
  try {
    renameSync(rotatedPath(path, 1), rotatedPath(path, 2));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** To be called as soon as there is a file: one that conmon replaces before is lost. */
export function keepSecondName(path: string): void {
  try {
    linkSync(path, spareName(path));
  } catch (error) {
    if (!['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

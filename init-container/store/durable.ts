import { access, lstat, mkdir, open, readFile, rename, rm, truncate } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { faultPoint } from '../native/fault-point.ts';
import { run } from '../native/run.ts';
import { errorCode } from './errors.ts';

/** Files that survive a power cut at any instant: each is there in its old or its new content, whole. */

/** For fault points: files named by a digest share one name. */
const pointName = (path: string) => basename(path).replace(/[0-9a-f]{64}/, 'DIGEST');

/** Makes names (created, renamed, removed) in `dir` outlive a power cut. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces `path` in one step: other readers, and a power cut, see the old or the new content. One writer at a time.
 * `what` tells the fault points of several contents of one file apart.
 */
export async function writeFileDurably(path: string, data: string | Uint8Array, what = ''): Promise<void> {
  const temporary = `${path}.tmp`;
  const point = `${pointName(path)} ${what}`.trim();
  try {
    await faultPoint(`before ${point}`);
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await faultPoint(`written ${point}`);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await faultPoint(`renamed ${point}`);
  await syncDirectory(dirname(path));
  await faultPoint(`after ${point}`);
}

/** Adds one line. When that fails half-way (a full disk), the file is cut back to what it was. One writer at a time. */
export async function appendLineDurably(path: string, line: string): Promise<void> {
  const point = pointName(path);
  await faultPoint(`before line ${point}`);
  const handle = await open(path, 'a', 0o600);
  const { size } = await handle.stat();
  try {
    await handle.writeFile(`${line}\n`);
    await faultPoint(`written line ${point}`);
    await handle.sync();
  } catch (error) {
    await handle.close();
    await truncate(path, size);
    throw error;
  }
  await handle.close();
  if (size === 0) await syncDirectory(dirname(path));
  await faultPoint(`after line ${point}`);
}

/**
 * Writes everything below `path` to its disk. One call for the whole file system is far cheaper on an SD card than an
 * fsync for each of a layer's thousand files; Node has no syncfs.
 */
export async function syncFileSystem(path: string): Promise<void> {
  const { code, stderr } = await run(['busybox', 'sync', '-f', path]);
  if (code !== 0) throw new Error(`cannot write ${path} to its disk: ${stderr.trim() || 'sync was killed'}`);
}

/** Folders right below the data folder whose contents are set aside; what lies elsewhere lies in the data folder itself. */
const foldersOfData = ['revisions', 'blobs', 'layers', 'recipes', 'seals'];

function dataFolderOf(path: string): string {
  const parent = dirname(path);
  // Revisions lie one folder deeper: each image has its own.
  if (basename(dirname(parent)) === 'revisions') return dirname(dirname(parent));
  return foldersOfData.includes(basename(parent)) ? dirname(parent) : parent;
}

/** Where `setAside` keeps what is of no use, whatever it was. Nothing here ever removes anything from it. */
export const quarantineName = 'quarantine';

/**
 * Keeps a file or folder of the data folder that is of no use as it is, for a person to look at: in the data folder's
 * quarantine, under the time and its name. Returns the path that it has then.
 */
export async function setAside(path: string, why: 'damaged' | 'former' = 'damaged'): Promise<string> {
  const parent = dirname(path);
  const quarantine = join(dataFolderOf(path), quarantineName);
  await ensureFolder(quarantine);
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  for (let number = 1; ; number++) {
    const target = join(quarantine, `${time}-${why}-${basename(path)}${number === 1 ? '' : `.${number}`}`);
    if (await exists(target)) continue;
    await rename(path, target);
    await syncDirectory(parent);
    await syncDirectory(quarantine);
    return target;
  }
}

/** Makes a folder whose name outlives a power cut. What has its name and is none is set aside. */
export async function ensureFolder(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  if (found && basename(path) === quarantineName) await rename(path, `${path}.damaged`);
  else if (found) await setAside(path);
  await mkdir(path, { recursive: true, mode: 0o700 });
  await syncDirectory(dirname(path));
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** The file's text, or undefined when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

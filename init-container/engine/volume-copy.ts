import { lstatSync, readdirSync } from 'node:fs';
import { lstat, mkdir, readlink, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { run } from '../native/run.ts';
import { copierOfXattrs } from '../native/xattr.ts';
import { exists, syncDirectory, syncFileSystem } from '../store/durable.ts';
import { errorCode } from '../store/errors.ts';

/** Room on the data partition that a copy must not take: revisions and journals need it. */
const reserveBytes = 4 << 20;

/** Others' work waits no longer than this while attributes are copied. */
const sliceMs = 10;

/**
 * Makes `target` a copy of the folder `source` (an empty folder when there is none) with owners, modes, times and extended
 * attributes. What was at `target` is there until the copy is whole and on the disk, and at `formerOf(target)` from then on,
 * unless there is something already. Rejects with a sentence when there is no room for it.
 */
export async function copyFolder(source: string | undefined, target: string): Promise<void> {
  const [fresh, former] = [`${target}.new`, formerOf(target)];
  for (const path of [fresh, goneOf(target)]) await rm(path, { recursive: true, force: true });
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  try {
    if (source === undefined) await mkdir(fresh, { mode: 0o755 });
    else {
      await mustFit([source], target);
      const { code, stderr } = await run(['busybox', 'cp', '-a', source, fresh]);
      if (code !== 0) throw new Error(stderr.trim() || 'busybox cp was killed');
      await copyAttributes(source, fresh);
    }
    await syncFileSystem(fresh);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
  if (await exists(target)) {
    if (await exists(former)) await removeFolder(target);
    else await rename(target, former);
  }
  await rename(fresh, target);
  await syncDirectory(dirname(target));
}

/** Where `copyFolder` leaves what was at `target` before. */
export const formerOf = (target: string) => `${target}.former`;

/** Puts back what was at `target` before `copyFolder` if it left something; on the disk when it resolves. */
export async function restoreFormer(target: string): Promise<void> {
  const former = formerOf(target);
  if (!(await exists(former))) return;
  await removeFolder(target);
  await rename(former, target);
  await syncDirectory(dirname(target));
}

/** Never half there under its name. */
export async function removeFolder(path: string): Promise<void> {
  const gone = goneOf(path);
  await rm(gone, { recursive: true, force: true });
  if (!(await exists(path))) return;
  await rename(path, gone);
  await rm(gone, { recursive: true, force: true });
}

const goneOf = (path: string) => `${path}.old`;

/** busybox' cp leaves them out: file capabilities, access lists, and what programs note there. */
async function copyAttributes(source: string, target: string): Promise<void> {
  const copy = await copierOfXattrs();
  let sliceEnd = performance.now() + sliceMs;
  for (const path of walk(Buffer.from(source), Buffer.alloc(0))) {
    copy(Buffer.concat([Buffer.from(source), path]), Buffer.concat([Buffer.from(target), path]));
    if (performance.now() < sliceEnd) continue;
    await nextTurn();
    sliceEnd = performance.now() + sliceMs;
  }
}

/** What is at `root` and below, each as it follows `root`: '' first. */
function* walk(root: Buffer, path: Buffer): Generator<Buffer> {
  yield path;
  const full = Buffer.concat([root, path]);
  if (!lstatSync(full).isDirectory()) return;
  for (const name of readdirSync(full, { encoding: 'buffer' }))
    yield* walk(root, Buffer.concat([path, Buffer.from('/'), name]));
}

/** Rejects with a sentence when there is no room for copies of all `sources` where `target` is, beside what is there. */
export async function mustFit(sources: readonly string[], target: string): Promise<void> {
  let needed = 0;
  for (const source of sources) needed += await folderBytes(source);
  const free = await freeBytes(target);
  if (needed > free) throw new Error(`${words(needed)} do not fit into the ${words(free)} that are free`);
}

async function folderBytes(path: string): Promise<number> {
  const { code, stdout, stderr } = await run(['busybox', 'du', '-s', '-k', path]);
  if (code !== 0) throw new Error(`the size of ${path} cannot be found out: ${stderr.trim() || 'du was killed'}`);
  return Number.parseInt(stdout, 10) * 1024;
}

/** Of the file system on which `path` is, or will be. */
async function freeBytes(path: string): Promise<number> {
  if (!(await exists(path))) return freeBytes(dirname(path));
  const { bavail, bsize } = await statfs(path);
  return Math.max(0, bavail * bsize - reserveBytes);
}

const words = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** As many links as Linux follows in one path. */
const maxLinks = 40;

/**
 * Where `path` of a container leads, links included, without ever leaving its root: an image's link to /etc means its own.
 * Undefined when there is no such folder. The root must not change meanwhile: its container does not run.
 */
export async function folderInRoot(root: string, path: string): Promise<string | undefined> {
  let rest = path.split('/').filter(Boolean);
  let reached: string[] = [];
  for (let links = 0; rest.length > 0; ) {
    const [part = '', ...after] = rest;
    rest = after;
    if (part === '.') continue;
    if (part === '..') {
      reached = reached.slice(0, -1);
      continue;
    }
    const here = join(root, ...reached, part);
    const stat = await lstat(here).catch((error: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
      throw error;
    });
    if (stat?.isSymbolicLink()) {
      if (++links > maxLinks) return undefined;
      const link = await readlink(here);
      if (link.startsWith('/')) reached = [];
      rest = [...link.split('/').filter(Boolean), ...rest];
    } else if (stat?.isDirectory()) reached.push(part);
    else return undefined;
  }
  return join(root, ...reached);
}

import { createHash } from 'node:crypto';
import { linkSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { TransportError } from '../transport.ts';

/** In the order in which programs that use serial ports look: the first is where others see our lock and we theirs. */
export function lockFolders(): string[] {
  return ['/var/lock', process.env.XDG_RUNTIME_DIR, tmpdir()].filter((folder) => folder !== undefined);
}

/** Somebody else has the lock; `holder` is undefined when it has just been given back. */
export class PortInUseError extends TransportError {
  readonly holder: number | undefined;
  constructor(path: string, holder: number | undefined) {
    const who =
      holder === process.pid
        ? 'by this process'
        : holder === undefined
          ? 'by another process'
          : `by process ${holder}${programOf(holder)}`;
    super(`${path} is in use ${who}: end that first`, { retry: true });
    this.holder = holder;
  }
}

/** ` (picocom)`, for a message; empty when it cannot be known. */
function programOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`;
  } catch {
    return '';
  }
}

/**
 * Takes the lock on a port, `LCK..ttyUSB0` with the process id in it, as minicom and picocom do; returns how to give it
 * back (also done when this process exits). A lock whose process is dead is taken over. Throws `PortInUseError`,
 * or a `TransportError` when no lock can be written.
 */
export function lockPort(path: string, folders: readonly string[] = lockFolders()): () => void {
  const name = lockName(path);
  const holder = lockHolder(path, folders);
  if (holder !== undefined) throw new PortInUseError(path, holder);
  let lastError: unknown;
  for (const folder of folders) {
    const file = join(folder, name);
    try {
      if (!create(file) && !(takeOver(file) && create(file))) throw new PortInUseError(path, liveHolder(file));
    } catch (error) {
      if (error instanceof TransportError) throw error;
      lastError = error;
      continue;
    }
    const release = (): void => {
      process.off('exit', release);
      if (readHolder(file) === process.pid) rmSync(file, { force: true });
    };
    process.once('exit', release);
    return release;
  }
  throw new TransportError(`no lock file for ${path} can be written in ${folders.join(', ')}`, {
    retry: false,
    cause: lastError,
  });
}

/** The process that has the lock on a port; undefined when nobody who lives has it. */
export function lockHolder(path: string, folders: readonly string[] = lockFolders()): number | undefined {
  const name = lockName(path);
  for (const folder of folders) {
    const holder = liveHolder(join(folder, name));
    if (holder !== undefined) return holder;
  }
  return undefined;
}

/** Name of a port's lock file; the same however the port is named. */
export function lockName(path: string): string {
  let real = path;
  try {
    real = realpathSync(path);
  } catch {
    // It may not exist; opening it says so better than its lock.
  }
  if (real.startsWith('/dev/')) return `LCK..${real.slice('/dev/'.length).replaceAll('/', '_')}`;
  return `LCK..${basename(real)}-${createHash('sha256').update(real).digest('hex').slice(0, 8)}`;
}

/** False when it exists. A finished file is linked into place, so that nobody ever reads half of one. */
function create(file: string): boolean {
  const draft = `${file}.${process.pid}`;
  try {
    writeFileSync(draft, `${String(process.pid).padStart(10)}\n`, { mode: 0o644 });
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Moves a dead process's lock away; false when it was not dead after all. */
function takeOver(file: string): boolean {
  if (liveHolder(file) !== undefined) return false;
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
  try {
    if (liveHolder(aside) === undefined) return true;
    // Between the look and the move somebody else took it over: give it back.
    linkSync(aside, file);
    return false;
  } finally {
    rmSync(aside, { force: true });
  }
}

function readHolder(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, 'latin1').trim(), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function liveHolder(file: string): number | undefined {
  const pid = readHolder(file);
  if (pid === undefined) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? undefined : pid;
  }
}

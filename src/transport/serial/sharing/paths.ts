import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { lockName } from '../lock-file.ts';

/**
 * Where a socket for a line may be, best first: programs of one person do not always have the same environment.
 * Only folders that belong to this user alone.
 */
export function sharingPaths(path: string): string[] {
  const { uid } = userInfo();
  const runtime = process.env.XDG_RUNTIME_DIR;
  const folders = [
    ...(runtime !== undefined && isAbsolute(runtime) ? [join(runtime, 'gantry')] : []),
    `/run/user/${uid}/gantry`,
    join(tmpdir(), `gantry-${uid}`),
  ];
  return [...new Set(folders)].filter((folder) => isOurs(folder, uid)).map((folder) => join(folder, socketName(path)));
}

/** `LCK..ttyUSB0` is `ttyUSB0.line`. */
function socketName(path: string): string {
  return `${lockName(path).replace(/^LCK\.\./, '')}.line`;
}

/** Makes the folder if it can; whether nobody else can do anything in it. */
function isOurs(folder: string, uid: number): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch {
    // It exists, or cannot be made: what is there decides.
  }
  try {
    const status = lstatSync(folder);
    return status.isDirectory() && status.uid === uid && (status.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

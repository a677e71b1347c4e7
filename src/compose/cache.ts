import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Where downloads and built layers are kept between builds; `GANTRY_CACHE` overrides, then XDG_CACHE_HOME. */
export function cacheDir(...parts: string[]): string {
  const root = process.env.GANTRY_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'gantry');
  return join(root, ...parts);
}

/** Writes beside and renames: a reader sees the whole file or none. */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await produceFile(path, (temporary) => writeFile(temporary, data));
}

/** Lets `produce` write to a temporary name beside `path`, then renames; nothing is left under either name on failure. */
export async function produceFile(path: string, produce: (temporary: string) => Promise<unknown>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(4).toString('hex')}.part`;
  try {
    await produce(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true, recursive: true });
    throw error;
  }
}

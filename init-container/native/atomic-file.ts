import { rename, writeFile } from 'node:fs/promises';

let counter = 0;

/** Replaces a file by rename: a reader sees the old or the new content. For tmpfs: nothing is synced to a disk. */
export async function replaceFile(path: string, content: string, mode = 0o600): Promise<void> {
  const temporary = `${path}.${process.pid}.${counter++}.tmp`;
  await writeFile(temporary, content, { mode });
  await rename(temporary, path);
}

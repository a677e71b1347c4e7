import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Entry, sortEntries } from '../oci/entry.ts';
import { pack, writeEntry } from '../oci/tar.ts';

/** Writes a tar of the entries and of the file `large`, which is not held in memory, as `root.img`. */
export async function writeArchive(path: string, entries: Entry[], large: string): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createWriteStream(path));
  // It is waited for in the end, and may fail before.
  written.catch(() => undefined);
  try {
    for (const entry of sortEntries(entries)) await writeEntry(tar, entry);
    const { size } = await stat(large);
    const slot = tar.entry({ name: 'root.img', size, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 });
    await pipeline(createReadStream(large), slot);
    tar.finalize();
  } catch (error) {
    tar.destroy(error as Error);
  }
  await written;
}

/** SHA-256 in hex. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

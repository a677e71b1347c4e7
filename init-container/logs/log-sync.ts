import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { namesOf } from './files.ts';

/**
 * Gets logs to the disk. conmon would do so only when a container ends, and then hold up the news of that end: it is told
 * not to.
 */
export class LogSync {
  readonly #sync: (path: string) => Promise<void>;
  /** By inode: when what is known to be on the disk was changed last. */
  #synced = new Map<number, number>();

  constructor(sync: (path: string) => Promise<void> = syncFile) {
    this.#sync = sync;
  }

  /** Those of these logs, and of their files that were moved aside, that have changed: a slow writer still writes to them. */
  async run(paths: Iterable<string>): Promise<void> {
    const synced = new Map<number, number>();
    for (const name of [...paths].flatMap(namesOf)) {
      const info = statSync(name, { throwIfNoEntry: false });
      if (!info || synced.has(info.ino)) continue;
      if (this.#synced.get(info.ino) !== info.mtimeMs) await this.#sync(name);
      synced.set(info.ino, info.mtimeMs);
    }
    this.#synced = synced;
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r').catch(() => undefined);
  try {
    await file?.datasync();
  } finally {
    await file?.close();
  }
}

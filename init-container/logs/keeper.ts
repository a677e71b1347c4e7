import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { namesOf } from './files.ts';
import { LogSync } from './log-sync.ts';
import { rotate } from './rotate.ts';
import type { LogSizes } from './sizes.ts';

const longestPauseMs = 2000;
const shortestPauseMs = 100;

/** What was written longer ago than this is on the disk, with what `syncMs` adds until a look comes round. */
const syncMs = 5000;

export interface KeeperOptions {
  folder: string;
  /** Has the writer of the log of this component begin a new file. False when there is none. */
  reopen: (name: string) => Promise<boolean>;
  /** Whether no more than one process writes it. */
  alone: (name: string) => Promise<boolean>;
  /** Whether the logs are on a disk, and have to get there. */
  durable: boolean;
  sizes: () => LogSizes;
  report: (message: string) => void;
}

/** Keeps the logs of a folder below their sizes, and on the disk. */
export class LogKeeper {
  readonly #options: KeeperOptions;
  readonly #seen = new Map<string, { inode: number; size: number }>();
  /** Components whose writer has been asked for a new file that is not there yet. */
  readonly #asked = new Set<string>();
  readonly #sync = new LogSync();
  #lookedAt = performance.now();
  #syncedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  start(): void {
    const look = async () => {
      const pauseMs = await this.tend().catch((error: Error) => {
        this.#options.report(`logs cannot be rotated: ${error.message}`);
        return longestPauseMs;
      });
      if (!this.#closed) this.#timer = setTimeout(look, pauseMs);
    };
    void look();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Looks at all logs once. Returns after how many milliseconds it is time to look again: the sooner, the faster they grow. */
  async tend(): Promise<number> {
    const { folder } = this.#options;
    const sizes = this.#options.sizes();
    const now = performance.now();
    const elapsedMs = Math.max(1, now - this.#lookedAt);
    this.#lookedAt = now;
    let pauseMs = longestPauseMs;
    let moved = this.#seen.size === 0;
    const logs = readdirSync(folder).filter((file) => /^[^.]+\.log(\.[0-9])?$/.test(file));
    for (const name of new Set(logs.map((file) => file.replace(/\.log.*/, '')))) {
      const path = join(folder, `${name}.log`);
      if (this.#isInOrder(path, sizes)) continue;
      if (statSync(path, { throwIfNoEntry: false })) this.#asked.delete(name);
      const writer = { reopen: () => this.#reopen(name), alone: () => this.#options.alone(name) };
      if (await rotate(path, sizes, writer)) moved = true;
      pauseMs = Math.min(pauseMs, this.#pauseFor(path, sizes, elapsedMs));
    }
    if (moved) this.#prune(sizes);
    if (this.#options.durable && now - this.#syncedAt >= syncMs) {
      this.#syncedAt = now;
      await this.#sync.run(this.#seen.keys());
    }
    return Math.max(shortestPauseMs, pauseMs);
  }

  /** Most logs, most of the time: nothing was written since the last look, which has left them in order. */
  #isInOrder(path: string, sizes: LogSizes): boolean {
    const before = this.#seen.get(path);
    const now = statSync(path, { throwIfNoEntry: false });
    return now?.ino === before?.inode && now?.size === before?.size && now !== undefined && now.size < sizes.file;
  }

  /** Asked twice, a slow writer would begin two new files, and what it wrote to the first would be gone. */
  async #reopen(name: string): Promise<boolean> {
    if (this.#asked.has(name)) return true;
    this.#asked.add(name);
    return this.#options.reopen(name);
  }

  /** Half the time until conmon would have to help itself, if the log goes on growing as it did. */
  #pauseFor(path: string, { backstop }: LogSizes, elapsedMs: number): number {
    const info = statSync(path, { throwIfNoEntry: false });
    const before = this.#seen.get(path);
    const size = info?.size ?? 0;
    this.#seen.set(path, { inode: info?.ino ?? 0, size });
    const growth = before && size >= before.size ? size - before.size : size;
    return growth === 0 || !before ? longestPauseMs : ((backstop / 2) * elapsedMs) / growth / 2;
  }

  /** Of the logs that take most, the oldest files go until all together take no more than they may. */
  #prune({ total }: LogSizes): void {
    const logs = [...this.#seen.keys()].map((path) => {
      const files = new Map<number, { name: string; size: number }>();
      for (const name of namesOf(path)) {
        const info = statSync(name, { throwIfNoEntry: false });
        if (info && !files.has(info.ino)) files.set(info.ino, { name, size: info.size });
      }
      return { files: [...files.values()], size: [...files.values()].reduce((sum, { size }) => sum + size, 0) };
    });
    for (let used = logs.reduce((sum, { size }) => sum + size, 0); used > total; ) {
      const [largest] = logs.filter(({ files }) => files.length > 1).sort((a, b) => b.size - a.size);
      const oldest = largest?.files.pop();
      if (!largest || !oldest) return;
      rmSync(oldest.name, { force: true });
      largest.size -= oldest.size;
      used -= oldest.size;
    }
  }
}

import { LineAssembler, type LogEntry } from './assemble.ts';
import { inodeOf, LogFile, openLog } from './files.ts';
import { parseK8sLine } from './k8s-line.ts';

export interface Follow {
  /** Whether nothing more will be written. */
  over: () => boolean;
  /** Resolves when the log or `over` may have changed. */
  changed: () => Promise<void>;
}

export interface ReadOptions {
  /** Only the last lines; all when absent. */
  tail?: number;
  /** Nanoseconds since the epoch, inclusive. */
  since?: bigint;
  until?: bigint;
  follow?: Follow;
}

/** Reads a container's log over all its rotated files; with `follow`, goes on over later rotations until it is over. */
export async function* readLog(path: string, options: ReadOptions = {}): AsyncGenerator<LogEntry> {
  const files = await openLog(path);
  try {
    await dropOlder(files, options.since);
    await seek(files, options.tail);
    const assembler = new LineAssembler();
    const wanted = (entry: LogEntry) => options.since === undefined || entry.nanos >= options.since;
    for (;;) {
      // Asked before reading: what was written before the end is read after it.
      const over = options.follow?.over() ?? true;
      const waiting = options.follow?.changed();
      const rotated = await hasNewFile(path, files);
      for (const file of files) {
        for await (const line of file.lines()) {
          const part = parseK8sLine(line);
          const entry = part && assembler.add(part);
          if (!entry) continue;
          if (options.until !== undefined && entry.nanos > options.until) return;
          if (wanted(entry)) yield entry;
        }
      }
      if (rotated) {
        await closeAll(files.splice(0));
        const next = await LogFile.open(path);
        if (next) files.push(next);
        continue;
      }
      if (over) break;
      await waiting;
    }
    for (const entry of assembler.flush()) if (wanted(entry)) yield entry;
  } finally {
    await closeAll(files);
  }
}

/** conmon has begun a new file: it writes to the old one no more, which is complete once it is read to its end. */
async function hasNewFile(path: string, files: LogFile[]): Promise<boolean> {
  const inode = await inodeOf(path);
  return inode !== undefined && inode !== files.at(-1)?.inode;
}

async function seek(files: LogFile[], tail: number | undefined): Promise<void> {
  if (tail === undefined) return;
  let missing = tail;
  let first = files.length;
  while (first > 0) {
    first--;
    missing -= (await files[first]?.seekToTail(missing)) ?? 0;
    if (missing <= 0) break;
  }
  await closeAll(files.splice(0, first));
}

/** Rotated files whose newest line is too old need not be read. */
async function dropOlder(files: LogFile[], since: bigint | undefined): Promise<void> {
  if (since === undefined) return;
  const first = files.slice(0, -1).findIndex((file) => BigInt(Math.ceil(file.changedMs)) * 1_000_000n >= since);
  await closeAll(files.splice(0, first < 0 ? files.length - 1 : first));
}

async function closeAll(files: LogFile[]): Promise<void> {
  for (const file of files) await file.close();
}

import { LineAssembler, type LogEntry } from './assemble.ts';
import { beginning, type Cursor, formatCursor } from './cursor.ts';
import { follows, inodeOf, keptRotations, type LogFile, openLog, rotatedPath, spareName } from './files.ts';
import { parseK8sLine } from './k8s-line.ts';
import { gap } from './rotate.ts';

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
  /** Goes on where another reader was; `tail` and `since` count for nothing then. */
  from?: Cursor | typeof beginning;
  follow?: Follow;
}

/** Reads a container's log over all its rotated files; with `follow`, goes on over later rotations until it is over. */
export function readLog(path: string, options: ReadOptions = {}): AsyncGenerator<LogEntry> {
  return new LogReader(path, options).entries();
}

const cutShort = 'the end of this log was lost with the power; some lines may be missing';
const overtaken = 'older lines are missing here: the log was rotated before they were read';

/** As `readLog`, and knows where it is. */
export class LogReader {
  readonly #path: string;
  readonly #options: ReadOptions;
  readonly #files: LogFile[] = [];
  readonly #assembler = new LineAssembler();
  #begun = false;
  /** File in whose front lines may be missing. */
  #gapBefore: number | undefined;
  /** The place behind all that was read, when no line was open. */
  #clean: Omit<Cursor, 'taken'> | undefined;
  /** Entries since then. */
  #taken = 0;
  /** Entries still to come that another reader has had already. */
  #skip = 0;

  constructor(path: string, options: ReadOptions = {}) {
    this.#path = path;
    this.#options = options;
  }

  /** The place behind the entry that `entries` gave last; undefined until the log has been opened. */
  get cursor(): string | undefined {
    if (!this.#begun) return undefined;
    return this.#clean ? formatCursor({ ...this.#clean, taken: this.#taken + this.#skip }) : beginning;
  }

  /** Once only. */
  async *entries(): AsyncGenerator<LogEntry> {
    const { follow, until } = this.#options;
    try {
      const problems = await this.#begin();
      this.#begun = true;
      for (const problem of problems) yield note(problem);
      for (;;) {
        // Asked before reading: what was written before the end is read after it.
        const over = follow?.over() ?? true;
        const waiting = follow?.changed();
        const rotated = await this.#hasNewFile();
        for await (const entry of this.#read()) {
          if (until !== undefined && entry.nanos > until) return;
          yield entry;
        }
        if (rotated) {
          if (!(await this.#advance())) yield* this.#say(overtaken);
          continue;
        }
        if (over) break;
        await waiting;
      }
      const rest = this.#assembler.flush();
      if (rest.length > 0) await this.#markPlace();
      yield* rest.filter((entry) => this.#wanted(entry));
    } finally {
      await closeAll(this.#files);
    }
  }

  /** Opens the files and finds the place to begin. Returns what has to be said about it. */
  async #begin(): Promise<string[]> {
    const { from, since, tail } = this.#options;
    this.#files.push(...(await openLog(this.#path)));
    await this.#noticeGap(this.#files);
    if (typeof from === 'object') return this.#resume(from);
    // As many files as are kept: there may have been more.
    if (from === beginning) return (await inodeOf(rotatedPath(this.#path, keptRotations))) ? [overtaken] : [];
    await dropOlder(this.#files, since);
    await seekTail(this.#files, tail);
    await this.#markPlace(this.#files[0]);
    return [];
  }

  async #resume(from: Cursor): Promise<string[]> {
    let found = -1;
    for (const [index, file] of this.#files.entries()) {
      if (file.inode === from.inode && (await file.firstTime()) === from.first) found = index;
    }
    const file = this.#files[found];
    if (!file) return this.#files.length > 0 ? [overtaken] : [];
    await closeAll(this.#files.splice(0, found));
    this.#clean = from;
    if (await file.seek(from)) {
      this.#skip = from.taken;
      return [];
    }
    await file.seekPast(from.last);
    await this.#markPlace(file);
    return [cutShort];
  }

  /** Makes the place where `file` is now the one to go on from. */
  async #markPlace(file = this.#files.at(-1)): Promise<void> {
    const first = await file?.firstTime();
    if (!file || first === undefined) return;
    const last = (await file.timeBefore(file.position)) ?? 0n;
    this.#clean = { inode: file.inode, first, offset: file.position, last };
    this.#taken = 0;
  }

  async *#read(): AsyncGenerator<LogEntry> {
    for (const file of this.#files) {
      let first: bigint | undefined;
      if (file.inode === this.#gapBefore && file.position === 0) {
        this.#gapBefore = undefined;
        yield* this.#say(gap);
      }
      for await (const { bytes, end } of file.lines()) {
        const part = parseK8sLine(bytes);
        if (!part) continue;
        first ??= (await file.firstTime()) ?? 0n;
        const entries = this.#assembler.add(part);
        for (const [index, entry] of entries.entries()) {
          if (this.#assembler.empty && index === entries.length - 1) {
            this.#clean = { inode: file.inode, first, offset: end, last: part.nanos };
            this.#taken = 0;
          } else this.#taken++;
          if (this.#wanted(entry)) yield entry;
        }
      }
    }
  }

  #wanted(entry: LogEntry): boolean {
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    const { since, from } = this.#options;
    return since === undefined || from !== undefined || entry.nanos >= since;
  }

  /** conmon has begun a new file: it writes to the old one no more, which is complete once it is read to its end. */
  async #hasNewFile(): Promise<boolean> {
    const inode = await inodeOf(this.#path);
    return inode !== undefined && inode !== this.#files.at(-1)?.inode;
  }

  /** Goes on to the files after the last one. False when some between were gone already. */
  async #advance(): Promise<boolean> {
    const last = this.#files.at(-1)?.inode;
    const now = await openLog(this.#path);
    await this.#noticeGap(now);
    // They are still open: no other file can have their inodes.
    const known = now.findLastIndex(({ inode }) => this.#files.some((file) => file.inode === inode));
    const unbroken = last === undefined || now[known]?.inode === last;
    await closeAll(now.splice(0, known + 1));
    await closeAll(this.#files.splice(0));
    this.#files.push(...now);
    return unbroken;
  }

  /** conmon has put the current file in the place of another, and nobody has looked yet whether these two are neighbours. */
  async #noticeGap(files: LogFile[]): Promise<void> {
    const [old, next] = files.slice(-2);
    if (!old || !next || old.inode !== (await inodeOf(spareName(this.#path)))) return;
    if (!(await follows(old, next))) this.#gapBefore = next.inode;
  }

  /** What is open will never be ended, or not by what comes next. */
  async *#say(problem: string): AsyncGenerator<LogEntry> {
    const rest = this.#assembler.flush();
    if (rest.length > 0) await this.#markPlace(this.#files[0]);
    yield* rest.filter((entry) => this.#wanted(entry));
    yield note(problem);
  }
}

function note(text: string): LogEntry {
  return {
    stream: 'stderr',
    nanos: BigInt(Date.now()) * 1_000_000n,
    text: Buffer.from(`gantry: ${text}\n`),
    note: true,
  };
}

/** Leaves the files before the last `tail` lines, except one to say where these begin. */
async function seekTail(files: LogFile[], tail: number | undefined): Promise<void> {
  if (tail === undefined) return;
  let missing = tail;
  let first = files.length;
  while (first > 0) {
    first--;
    const file = files[first];
    missing -= (await file?.seekToTail(missing)) ?? 0;
    if (missing <= 0 && (await file?.firstTime()) !== undefined) break;
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

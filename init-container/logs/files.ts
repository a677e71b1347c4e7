import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Cursor } from './cursor.ts';
import { parseK8sLine } from './k8s-line.ts';

const blockBytes = 64 * 1024;

/** No line that conmon writes is longer; what is, was torn by a power cut. */
const longestRawLine = 64 * 1024;

/** Rotated files kept beside the current one: `web.log.1` (newer) and `web.log.2`. */
export const keptRotations = 2;

export const rotatedPath = (path: string, generation: number) => `${path}.${generation}`;

/**
 * A second name of the current file. conmon puts a new file in its place when it has grown far too large, because nobody
 * rotated it: the old one is still here then.
 */
export const spareName = (path: string) => `${path}.0`;

/** A line of the file, without its newline, and where the next one begins. */
export interface RawLine {
  bytes: Buffer;
  end: number;
}

/** An open log file that is read line by line. It stays the same file when it is renamed. */
export class LogFile {
  readonly #handle: FileHandle;
  readonly inode: number;
  /** Of its last change, milliseconds since the epoch, when it was opened. */
  readonly changedMs: number;
  #position = 0;
  #first: bigint | undefined;

  private constructor(handle: FileHandle, { ino, mtimeMs }: { ino: number; mtimeMs: number }) {
    this.#handle = handle;
    this.inode = ino;
    this.changedMs = mtimeMs;
  }

  /** Undefined when there is no such file. */
  static async open(path: string): Promise<LogFile | undefined> {
    try {
      const handle = await open(path, 'r');
      return new LogFile(handle, await handle.stat());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Where the next line that `lines` gives begins. */
  get position(): number {
    return this.#position;
  }

  /** Time of the first line; undefined while there is none. */
  async firstTime(): Promise<bigint | undefined> {
    if (this.#first !== undefined) return this.#first;
    const block = await this.#read(0, blockBytes);
    const end = block.indexOf(10);
    if (end >= 0) this.#first = parseK8sLine(block.subarray(0, end))?.nanos ?? 0n;
    else if (block.length === blockBytes) this.#first = 0n;
    return this.#first;
  }

  /**
   * The complete lines up to the end of the file as it is now. Junk without an end is passed over. May be left and called
   * again: what was not taken comes again.
   */
  async *lines(): AsyncGenerator<RawLine> {
    let data: Buffer = Buffer.alloc(0);
    let torn = false;
    let from = this.#position;
    for (;;) {
      const block = await this.#read(from, blockBytes);
      if (block.length === 0) return;
      from += block.length;
      data = data.length === 0 ? block : Buffer.concat([data, block]);
      let start = 0;
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
        const bytes = data.subarray(start, end);
        start = end + 1;
        this.#position = from - data.length + start;
        if (!torn) yield { bytes, end: this.#position };
        torn = false;
      }
      data = data.subarray(start);
      if (data.length > longestRawLine) data = withoutZeros(data);
      if (data.length > longestRawLine) {
        torn = true;
        data = Buffer.alloc(0);
      }
    }
  }

  /** Moves to where the last `count` full lines begin. Returns how many there are before the end, at most `count`. */
  async seekToTail(count: number): Promise<number> {
    const { size } = await this.#handle.stat();
    let position = size;
    let found = 0;
    let later: Buffer = Buffer.alloc(0);
    let start = size;
    while (position > 0) {
      const length = Math.min(blockBytes, position);
      position -= length;
      let data: Buffer = Buffer.concat([await this.#read(position, length), later]);
      for (;;) {
        const end = data.length > 0 && data[data.length - 1] === 10 ? data.length - 1 : data.length;
        const before = data.lastIndexOf(10, Math.max(0, end - 1));
        if (before < 0 && position > 0) break;
        const lineStart = before < 0 ? 0 : before + 1;
        if (end > lineStart && parseK8sLine(data.subarray(lineStart, end))?.partial === false) {
          if (found === count) {
            this.#position = start;
            return found;
          }
          found++;
        }
        start = position + lineStart;
        data = data.subarray(0, lineStart);
        if (data.length === 0) break;
      }
      // A torn line without an end is not kept: nothing before it is needed to know where the next line begins.
      later = data.length > longestRawLine ? Buffer.alloc(0) : data;
    }
    this.#position = 0;
    return found;
  }

  /** Time of the line that ends at `offset`, 0 when it has none; undefined when none ends there. */
  async timeBefore(offset: number): Promise<bigint | undefined> {
    const from = Math.max(0, offset - longestRawLine);
    const before = await this.#read(from, offset - from);
    if (before.length < offset - from || before.at(-1) !== 10) return undefined;
    const start = before.length < 2 ? 0 : before.lastIndexOf(10, before.length - 2) + 1;
    return parseK8sLine(before.subarray(start, -1))?.nanos ?? 0n;
  }

  /** Time of the last line; undefined when the file does not end with one. */
  async lastTime(): Promise<bigint | undefined> {
    return this.timeBefore((await this.#handle.stat()).size);
  }

  /** Moves behind the line that `cursor` names. False when it is not there: the file was cut short. */
  async seek({ offset, last }: Pick<Cursor, 'offset' | 'last'>): Promise<boolean> {
    if (offset > 0 && (await this.timeBefore(offset)) !== last) return false;
    this.#position = offset;
    return true;
  }

  /** Moves to the first line that is newer than `nanos`; to the end when none is. */
  async seekPast(nanos: bigint): Promise<void> {
    this.#position = 0;
    let position = 0;
    for await (const { bytes, end } of this.lines()) {
      if ((parseK8sLine(bytes)?.nanos ?? 0n) > nanos) break;
      position = end;
    }
    this.#position = position;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const block = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(block, filled, length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return block.subarray(0, filled);
  }
}

/** Blocks that a power cut left unwritten: a whole line may follow them. */
function withoutZeros(data: Buffer): Buffer {
  const start = data.findIndex((byte) => byte !== 0);
  return start < 0 ? Buffer.alloc(0) : data.subarray(start);
}

/** The file's inode; undefined when there is none at this path. */
export async function inodeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.ino;
}

/** All names of a log's files, newest first. */
export function namesOf(path: string): string[] {
  return [path, spareName(path), ...Array.from({ length: keptRotations }, (_, i) => rotatedPath(path, i + 1))];
}

/** All files of a log, oldest first. The current one is opened first, so that a rotation meanwhile loses nothing. */
export async function openLog(path: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for (const name of namesOf(path)) {
    const file = await LogFile.open(name);
    if (!file) continue;
    if (files.some(({ inode }) => inode === file.inode)) await file.close();
    else files.unshift(file);
  }
  return files;
}

/**
 * Whether it is certain that conmon began `next` right behind `old` by itself: lines that it reads at once have the same time.
 * Else another file may have been between them, and gone.
 */
export async function follows(old: LogFile, next: LogFile): Promise<boolean> {
  const time = await old.lastTime();
  return time !== undefined && time === (await next.firstTime());
}

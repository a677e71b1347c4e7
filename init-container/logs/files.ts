import { type FileHandle, open, stat } from 'node:fs/promises';
import { parseK8sLine } from './k8s-line.ts';

const blockBytes = 64 * 1024;

/** Rotated files kept beside the current one: `web.log.1` (newer) and `web.log.2`. */
export const keptRotations = 2;

export const rotatedPath = (path: string, generation: number) => `${path}.${generation}`;

/** An open log file that is read line by line. It stays the same file when it is renamed. */
export class LogFile {
  readonly #handle: FileHandle;
  readonly inode: number;
  /** Of its last change, milliseconds since the epoch, when it was opened. */
  readonly changedMs: number;
  #position = 0;
  #rest: Buffer = Buffer.alloc(0);

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

  /** The complete lines up to the end of the file as it is now, without their newlines. */
  async *lines(): AsyncGenerator<Buffer> {
    for (;;) {
      const block = Buffer.allocUnsafe(blockBytes);
      const { bytesRead } = await this.#handle.read(block, 0, blockBytes, this.#position);
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      let data = Buffer.concat([this.#rest, block.subarray(0, bytesRead)]);
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
        yield data.subarray(0, end);
        data = data.subarray(end + 1);
      }
      this.#rest = data;
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
      const block = Buffer.allocUnsafe(length);
      await this.#handle.read(block, 0, length, position);
      let data: Buffer = Buffer.concat([block, later]);
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
      later = data;
    }
    this.#position = 0;
    return found;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** The file's inode; undefined when there is none at this path. */
export async function inodeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.ino;
}

/** All files of a log, oldest first. The current one is opened first, so that a rotation meanwhile loses nothing. */
export async function openLog(path: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for (const candidate of [path, ...Array.from({ length: keptRotations }, (_, i) => rotatedPath(path, i + 1))]) {
    const file = await LogFile.open(candidate);
    if (!file) continue;
    if (files.some(({ inode }) => inode === file.inode)) await file.close();
    else files.unshift(file);
  }
  return files;
}

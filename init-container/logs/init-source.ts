import { closeSync, openSync, readSync, type Stats, statSync, truncateSync } from 'node:fs';
import { parseNanos } from './k8s-line.ts';
import { appendLines, lastTag, type SourceLine, shortBootId } from './source.ts';

/** The launcher's file is in memory: it is emptied when it has this size and all of it is copied. */
const largest = 256 << 10;
const blockBytes = 64 << 10;

/** What `journal()` puts before each line. */
const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) gantry-init: /;

/**
 * Copies what the init container said (its journal, and what Node said of a crash) from the launcher's file into a log. Each
 * line once, also over restarts of this process: that a process crashed is told by the next one.
 */
export class InitSource {
  readonly #path: string;
  readonly #from: string;
  readonly #boot = shortBootId();
  /** Up to where the file with this inode is copied. */
  #inode: number | undefined;
  #offset = 0;
  #nanos = 0n;

  constructor(path: string, from: string) {
    this.#path = path;
    this.#from = from;
  }

  /** Finds out what is copied already. */
  async open(): Promise<void> {
    const [boot, inode, offset] = (await lastTag(this.#path))?.split(':') ?? [];
    if (boot !== this.#boot || offset === undefined) return;
    this.#inode = Number(inode);
    this.#offset = Number(offset);
  }

  /** Copies what is there. Throws when the log cannot be written. */
  collect(): void {
    // The launcher moves a large file aside when it starts.
    const moved = statOf(`${this.#from}.1`);
    if (moved && (moved.ino === this.#inode || this.#inode === undefined)) this.#copy(`${this.#from}.1`, moved);
    const current = statOf(this.#from);
    if (!current) return;
    this.#copy(this.#from, current);
    // Only this process writes to it while this runs: nothing comes between the reading and the emptying.
    if (this.#offset < largest || statOf(this.#from)?.size !== this.#offset) return;
    truncateSync(this.#from, 0);
    this.#offset = 0;
  }

  #copy(path: string, { ino, size }: Stats): void {
    if (ino !== this.#inode || size < this.#offset) this.#offset = 0;
    this.#inode = ino;
    if (size === this.#offset) return;
    const file = openSync(path, 'r');
    try {
      for (;;) {
        const block = Buffer.allocUnsafe(blockBytes);
        const length = readSync(file, block, 0, blockBytes, this.#offset);
        const lines: SourceLine[] = [];
        let offset = this.#offset;
        let start = 0;
        for (let end = block.indexOf(10); end >= 0 && end < length; end = block.indexOf(10, start)) {
          offset = this.#offset + end + 1;
          lines.push(this.#line(block.toString('utf8', start, end), ino, offset));
          start = end + 1;
        }
        if (start === 0 && length === blockBytes) {
          offset += length;
          lines.push(this.#line(block.toString('utf8'), ino, offset));
        }
        if (lines.length === 0) return;
        appendLines(this.#path, lines);
        this.#offset = offset;
      }
    } finally {
      closeSync(file);
    }
  }

  #line(line: string, inode: number, offset: number): SourceLine {
    const tag = `${this.#boot}:${inode}:${offset}`;
    const time = stamp.exec(line);
    const nanos = time?.[1] === undefined ? undefined : parseNanos(time[1]);
    if (nanos !== undefined) this.#nanos = nanos;
    // What has no time was said right after what has one, or by a process before.
    else if (this.#nanos === 0n) this.#nanos = BigInt(Date.now()) * 1_000_000n;
    const text = time ? line.slice(time[0].length) : line;
    return { nanos: this.#nanos, stream: time ? 'stdout' : 'stderr', tag, text };
  }
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

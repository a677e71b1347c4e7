import { closeSync, constants, openSync, readSync } from 'node:fs';
import { appendLines, lastTag, type SourceLine, shortBootId } from './source.ts';

/** The kernel gives one record a read, and refuses a smaller buffer than the record needs. */
const recordBytes = 16 * 1024;

/** Records appended at once. */
const batch = 200;

export interface KernelRecord {
  sequence: number;
  /** 0 (emergency) to 7 (debug). */
  level: number;
  /** Since boot. */
  micros: bigint;
  text: string;
}

/**
 * A record of /dev/kmsg: `6,1234,98765,-;text`, then lines of key and value, which are left out. Undefined when it is none.
 * Source: Linux, Documentation/ABI/testing/dev-kmsg.
 */
export function parseKernelRecord(record: string): KernelRecord | undefined {
  const match = /^(\d+),(\d+),(\d+),[^;]*;([^\n]*)/.exec(record);
  if (!match) return undefined;
  const [, priority = '', sequence = '', micros = '', text = ''] = match;
  const bytes = text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return {
    sequence: Number(sequence),
    level: Number(priority) & 7,
    micros: BigInt(micros),
    text: Buffer.from(bytes, 'latin1').toString('utf8'),
  };
}

/** Copies the kernel's messages into a log: each once, also over restarts of this process, and after a reboot behind the old ones. */
export class KernelSource {
  readonly #path: string;
  readonly #device: string;
  readonly #boot = shortBootId();
  readonly #buffer = Buffer.allocUnsafe(recordBytes);
  #fd: number | undefined;
  /** Sequence number of the record written last. */
  #last = -1;

  constructor(path: string, device = '/dev/kmsg') {
    this.#path = path;
    this.#device = device;
  }

  /** Finds out what is written already. Throws when the kernel's messages cannot be read. */
  async open(): Promise<void> {
    const [boot, sequence] = (await lastTag(this.#path))?.split(':') ?? [];
    if (boot === this.#boot && sequence !== undefined) this.#last = Number(sequence);
    this.#fd = openSync(this.#device, constants.O_RDONLY | constants.O_NONBLOCK);
  }

  /** Copies what is there. Not event-driven: Node cannot wait for this device. Throws when the log cannot be written. */
  collect(): void {
    const bootedAt = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
    for (let more = true; more; ) {
      const lines: SourceLine[] = [];
      let newest = this.#last;
      while (lines.length < batch) {
        const record = this.#next();
        if (record === undefined) {
          more = false;
          break;
        }
        if (record.sequence <= newest) continue;
        const nanos = bootedAt + record.micros * 1000n;
        const missing = record.sequence - newest - 1;
        if (missing > 0 && newest >= 0) {
          lines.push({ nanos, stream: 'stderr', tag: '', text: `gantry: ${missing} kernel messages were lost here` });
        }
        newest = record.sequence;
        const stream = record.level <= 3 ? 'stderr' : 'stdout';
        lines.push({ nanos, stream, tag: `${this.#boot}:${newest}`, text: record.text });
      }
      try {
        appendLines(this.#path, lines);
      } catch (error) {
        this.#rewind();
        throw error;
      }
      this.#last = newest;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #next(): KernelRecord | undefined {
    while (this.#fd !== undefined) {
      try {
        const length = readSync(this.#fd, this.#buffer, 0, recordBytes, null);
        if (length === 0) return undefined;
        const record = parseKernelRecord(this.#buffer.toString('latin1', 0, length));
        if (record) return record;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // Overtaken by the ring buffer: the next read gives the oldest that is left, and the numbers tell how many are not.
        if (code === 'EPIPE') continue;
        if (code === 'EAGAIN') return undefined;
        throw error;
      }
    }
    return undefined;
  }

  /** What could not be written is read again: the records are numbered. */
  #rewind(): void {
    this.close();
    this.#fd = openSync(this.#device, constants.O_RDONLY | constants.O_NONBLOCK);
  }
}

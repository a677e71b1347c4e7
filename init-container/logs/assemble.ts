import type { K8sLine } from './k8s-line.ts';

/** One line as the container wrote it. `text` ends with a newline unless the container ended in the middle of a line. */
export interface LogEntry {
  stream: 'stdout' | 'stderr';
  /** When its first part was read from the container. */
  nanos: bigint;
  text: Buffer;
  /** Not from the log: the reader says that something of it is missing here. */
  note?: true;
}

/** A container that never ends a line must not fill our memory: such a line is cut into pieces of about this size. */
const longestLine = 64 * 1024;

const newline = Buffer.from('\n');

interface OpenLine {
  nanos: bigint;
  parts: Buffer[];
  size: number;
  /** Bytes of text that came after its beginning, on either stream. */
  waited: number;
}

/**
 * Puts the parts of long lines together again, for each stream by itself. What comes out depends on the lines alone, not on
 * when they are read: whoever reads from the same place again gets the same entries.
 */
export class LineAssembler {
  readonly #open = new Map<K8sLine['stream'], OpenLine>();

  /** Whether no line is open: another assembler could go on from here. */
  get empty(): boolean {
    return this.#open.size === 0;
  }

  /** The lines that `part` completes: none, its own, or that of the other stream, which was left open for too long. */
  add(part: K8sLine): LogEntry[] {
    const entries: LogEntry[] = [];
    for (const [stream, line] of this.#open) {
      line.waited += part.text.length + 1;
      if (stream !== part.stream && line.waited >= longestLine) entries.push(this.#close(stream, line));
    }
    const open = this.#open.get(part.stream) ?? { nanos: part.nanos, parts: [], size: 0, waited: 0 };
    open.parts.push(part.text);
    open.size += part.text.length;
    if (part.partial && open.size < longestLine) {
      this.#open.set(part.stream, open);
      return entries;
    }
    if (!part.partial) open.parts.push(newline);
    entries.push(this.#close(part.stream, open));
    return entries;
  }

  /** What is left when no more will come. */
  flush(): LogEntry[] {
    return [...this.#open].map(([stream, line]) => this.#close(stream, line));
  }

  #close(stream: K8sLine['stream'], { nanos, parts }: OpenLine): LogEntry {
    this.#open.delete(stream);
    return { stream, nanos, text: Buffer.concat(parts) };
  }
}

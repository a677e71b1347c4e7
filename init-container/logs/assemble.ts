import type { K8sLine } from './k8s-line.ts';

/** One line as the container wrote it. `text` ends with a newline unless the container ended in the middle of a line. */
export interface LogEntry {
  stream: 'stdout' | 'stderr';
  /** When its first part was read from the container. */
  nanos: bigint;
  text: Buffer;
}

/** A container that never ends a line must not fill our memory: such a line is cut into pieces of about this size. */
const longestLine = 64 * 1024;

const newline = Buffer.from('\n');

/** Puts the parts of long lines together again, for each stream by itself. */
export class LineAssembler {
  readonly #open = new Map<K8sLine['stream'], { nanos: bigint; parts: Buffer[]; size: number }>();

  /** The line that `part` completes, if it does. */
  add(part: K8sLine): LogEntry | undefined {
    const open = this.#open.get(part.stream) ?? { nanos: part.nanos, parts: [], size: 0 };
    open.parts.push(part.text);
    open.size += part.text.length;
    if (part.partial && open.size < longestLine) {
      this.#open.set(part.stream, open);
      return undefined;
    }
    this.#open.delete(part.stream);
    if (!part.partial) open.parts.push(newline);
    return { stream: part.stream, nanos: open.nanos, text: Buffer.concat(open.parts) };
  }

  /** What is left when no more will come. */
  flush(): LogEntry[] {
    const rest = [...this.#open].map(([stream, { nanos, parts }]) => ({ stream, nanos, text: Buffer.concat(parts) }));
    this.#open.clear();
    return rest;
  }
}

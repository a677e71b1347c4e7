/** One entry of the log pane. A `note` is ours: "reconnected after 37 s". */
export interface LogEntry {
  kind: 'stdout' | 'stderr' | 'note';
  /** RFC 3339; empty when unknown. */
  time: string;
  text: string;
}

interface Chunk {
  /** Id of its first entry. Ids count up from 0 and are never used twice, so a view can hold on to one. */
  first: number;
  bytes: Buffer;
  used: number;
  /** Where each entry ends. */
  ends: number[];
}

const chunkBytes = 64 * 1024;
const kinds = { stdout: 'o', stderr: 'e', note: 'n' } as const;

/**
 * The newest log entries of one component, bounded by bytes, whatever their number: 100,000 typical lines take 12 MB.
 * Entries are kept as UTF-8 in chunks and decoded only when shown; the oldest chunk goes first and is counted.
 */
export class LogRing {
  private readonly capacity: number;
  private chunks: Chunk[] = [];
  private held = 0;
  /** Entries that were thrown away to keep the bound. */
  evicted = 0;
  /** One more than the newest id. */
  end = 0;

  /** `capacity` in bytes; at least one chunk of 64 KiB is kept. */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** The oldest id that is still here (equals `end` when empty). */
  get first(): number {
    return this.chunks[0]?.first ?? this.end;
  }

  append(entry: LogEntry): void {
    const record = `${kinds[entry.kind]}${entry.time}\t${entry.text}`;
    const size = Buffer.byteLength(record);
    const chunk = this.roomFor(size);
    chunk.bytes.write(record, chunk.used);
    chunk.used += size;
    chunk.ends.push(chunk.used);
    this.end++;
    while (this.held > this.capacity && this.chunks.length > 1) this.evict();
  }

  /** The entry with this id, undefined when it was evicted or is not there yet. */
  get(id: number): LogEntry | undefined {
    const chunk = this.find(id);
    if (!chunk) return undefined;
    const index = id - chunk.first;
    const record = chunk.bytes.toString('utf8', index === 0 ? 0 : chunk.ends[index - 1], chunk.ends[index]);
    const tab = record.indexOf('\t');
    const kind = record.startsWith('o') ? 'stdout' : record.startsWith('e') ? 'stderr' : 'note';
    return { kind, time: record.slice(1, tab), text: record.slice(tab + 1) };
  }

  private roomFor(size: number): Chunk {
    const last = this.chunks.at(-1);
    if (last && last.bytes.length - last.used >= size) return last;
    const bytes = Buffer.allocUnsafeSlow(Math.max(chunkBytes, size));
    const chunk = { first: this.end, bytes, used: 0, ends: [] };
    this.chunks.push(chunk);
    this.held += bytes.length;
    return chunk;
  }

  private evict(): void {
    const gone = this.chunks.shift();
    if (!gone) return;
    this.held -= gone.bytes.length;
    this.evicted += gone.ends.length;
  }

  private find(id: number): Chunk | undefined {
    if (id < this.first || id >= this.end) return undefined;
    let low = 0;
    let high = this.chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.chunks[middle]?.first ?? 0) <= id) low = middle;
      else high = middle - 1;
    }
    return this.chunks[low];
  }
}

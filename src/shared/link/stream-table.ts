import { LinkStream, type StreamOwner } from './link-stream.ts';
import { RangeSet } from './ranges.ts';

export const MAX_STREAMS = 256;
const KEPT_CLOSED_RANGES = 512;
/** Streams that ended a moment ago, to read what is still sent of them. */
const KEPT_REACHES = 64;

/** The streams of a session. Ids are odd when the host opened them, even when the device did, and never used twice. */
export class StreamTable {
  readonly #owner: StreamOwner;
  readonly #localParity: number;
  readonly #streams = new Map<number, LinkStream>();
  readonly #accepted = new WeakSet<LinkStream>();
  /** Of the other side. */
  readonly #closed = new RangeSet();
  readonly #reaches = new Map<number, number>();
  #nextId: number;
  #lastId = -1;

  constructor(owner: StreamOwner, role: 'host' | 'device') {
    this.#owner = owner;
    this.#localParity = role === 'host' ? 1 : 0;
    this.#nextId = role === 'host' ? 1 : 2;
  }

  get(id: number): LinkStream | undefined {
    return this.#streams.get(id);
  }

  get hasPending(): boolean {
    for (const stream of this.#streams.values()) if (stream.sending.hasPending) return true;
    return false;
  }

  open(): LinkStream {
    const stream = new LinkStream(this.#owner, this.#nextId);
    this.#nextId += 2;
    this.#streams.set(stream.id, stream);
    return stream;
  }

  /**
   * The stream, made if the other side may have opened it in a packet that is still missing. Undefined when it cannot
   * exist or is over; `full` when there are too many.
   */
  obtain(id: number): LinkStream | 'full' | undefined {
    const known = this.#streams.get(id);
    if (known || id === 0 || this.#isLocal(id) || this.#closed.has(id)) return known;
    if (this.#streams.size >= MAX_STREAMS) {
      this.#markClosed(id);
      return 'full';
    }
    const stream = new LinkStream(this.#owner, id);
    this.#streams.set(id, stream);
    return stream;
  }

  /** The other side has opened `stream`; false when that was known. */
  accept(stream: LinkStream): boolean {
    if (this.#isLocal(stream.id) || this.#accepted.has(stream)) return false;
    this.#accepted.add(stream);
    return true;
  }

  forget(id: number): LinkStream | undefined {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    this.#markClosed(id);
    if (!stream) return undefined;
    this.#reaches.set(id, stream.receiving.reach);
    const [oldest] = this.#reaches.keys();
    if (this.#reaches.size > KEPT_REACHES && oldest !== undefined) this.#reaches.delete(oldest);
    return stream;
  }

  /** Forgets all of them. */
  takeAll(): LinkStream[] {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    return streams;
  }

  /** Where the data received of a stream end, also of one that ended a moment ago. */
  reach(id: number): number | undefined {
    return this.#streams.get(id)?.receiving.reach ?? this.#reaches.get(id);
  }

  /** The stream to send from: lowest priority number first, taking turns among equals; of one `level` only. */
  next(level: number | undefined): LinkStream | undefined {
    let best: LinkStream | undefined;
    let bestLevel = Number.POSITIVE_INFINITY;
    for (const stream of this.#streams.values()) {
      if (!stream.sending.hasPending) continue;
      const own = stream.effectivePriority;
      if (level !== undefined && own !== level) continue;
      const isTurn = best !== undefined && own === bestLevel && best.id <= this.#lastId && stream.id > this.#lastId;
      if (own < bestLevel || isTurn) {
        best = stream;
        bestLevel = own;
      }
    }
    return best;
  }

  /** `stream` had its turn. */
  took(stream: LinkStream): void {
    this.#lastId = stream.id;
  }

  #isLocal(id: number): boolean {
    return id % 2 === this.#localParity;
  }

  #markClosed(id: number): void {
    // Ids are odd on one side and even on the other; halved they make few ranges.
    if (this.#isLocal(id)) return;
    this.#closed.add(id, id + 2);
    this.#closed.limit(KEPT_CLOSED_RANGES);
  }
}

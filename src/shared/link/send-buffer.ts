import { RangeSet } from './ranges.ts';

/** See `take`. */
export const LEFTOVER = 32;

export interface Piece {
  offset: number;
  data: Buffer;
  fin: boolean;
}

/** The outgoing half of a stream: keeps every byte until it was acknowledged. */
export class SendBuffer {
  #blocks: { offset: number; data: Buffer }[] = [];
  readonly #acked = new RangeSet();
  readonly #lost = new RangeSet();
  #next = 0;
  #end = 0;
  #limit: number;
  #fin: 'no' | 'wanted' | 'sent' | 'acked' = 'no';

  /** `limit`: offset up to which the other side takes data. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are not acknowledged yet. */
  get size(): number {
    return this.#end - this.#floor;
  }

  /** From the first byte that is not acknowledged to the last one that was sent. */
  get spread(): number {
    return this.#next - this.#floor;
  }

  /** Everything up to and including the end of the stream was acknowledged. */
  get isDone(): boolean {
    return this.#fin === 'acked' && this.size === 0;
  }

  get hasPending(): boolean {
    if (!this.#lost.isEmpty) return true;
    if (this.#next < Math.min(this.#end, this.#limit)) return true;
    return this.#fin === 'wanted' && this.#next === this.#end;
  }

  append(data: Buffer): void {
    if (data.length === 0) return;
    this.#blocks.push({ offset: this.#end, data });
    this.#end += data.length;
  }

  finish(): void {
    if (this.#fin === 'no') this.#fin = 'wanted';
  }

  raiseLimit(limit: number): void {
    this.#limit = Math.max(this.#limit, limit);
  }

  /** The next bytes to put on the line: lost ones first. At most `max`, and `LEFTOVER` more of what was sent before. */
  take(max: number): Piece | undefined {
    const [lost] = this.#lost.ranges;
    if (lost) {
      // A few bytes left over would need a frame of their own.
      const end = lost.end - lost.start <= max + LEFTOVER ? lost.end : lost.start + max;
      this.#lost.remove(lost.start, end);
      return this.#piece(lost.start, end);
    }
    const end = Math.min(this.#end, this.#limit, this.#next + max);
    if (this.#next < end) {
      const start = this.#next;
      this.#next = end;
      return this.#piece(start, end);
    }
    return this.#fin === 'wanted' && this.#next === this.#end ? this.#piece(this.#end, this.#end) : undefined;
  }

  acknowledge(start: number, end: number, fin: boolean): void {
    if (fin) this.#fin = 'acked';
    this.#acked.add(start, end);
    this.#lost.remove(start, end);
    const floor = this.#floor;
    while (this.#blocks[0] && this.#blocks[0].offset + this.#blocks[0].data.length <= floor) this.#blocks.shift();
  }

  lose(start: number, end: number, fin: boolean): void {
    if (fin && this.#fin === 'sent') this.#fin = 'wanted';
    for (const range of this.#acked.missing(start, end)) this.#lost.add(range.start, range.end);
  }

  get #floor(): number {
    const [first] = this.#acked.ranges;
    return first && first.start === 0 ? first.end : 0;
  }

  #piece(start: number, end: number): Piece {
    const fin = this.#fin === 'wanted' && end === this.#end;
    if (fin) this.#fin = 'sent';
    const parts: Buffer[] = [];
    for (const block of this.#blocks) {
      if (block.offset >= end) break;
      if (block.offset + block.data.length > start) {
        parts.push(block.data.subarray(Math.max(0, start - block.offset), end - block.offset));
      }
    }
    return { offset: start, data: Buffer.concat(parts), fin };
  }
}

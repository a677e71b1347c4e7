import { RangeSet } from './ranges.ts';

/** Pieces that wait for an earlier one, at most: a sender that cuts its data finer than this is not one of ours. */
const MAX_PIECES = 2048;

/** The incoming half of a stream: puts pieces in order, each byte once. */
export class ReceiveBuffer {
  readonly #received = new RangeSet();
  readonly #pieces = new Map<number, Buffer>();
  #position = 0;
  #end: number | undefined;
  #limit: number;

  /** `limit`: offset up to which data are taken. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Offset of the next byte that `read` gives. */
  get position(): number {
    return this.#position;
  }

  get limit(): number {
    return this.#limit;
  }

  /** The end is known and everything before it is here, though perhaps not read yet. */
  get isComplete(): boolean {
    const [first] = this.#received.ranges;
    return this.#end !== undefined && (this.#end === 0 || (first?.start === 0 && first.end === this.#end));
  }

  /** Everything was read. */
  get isRead(): boolean {
    return this.#end === this.#position;
  }

  /** Where what was received so far ends, gaps included. */
  get reach(): number {
    return this.#received.ranges.at(-1)?.end ?? 0;
  }

  raiseLimit(limit: number): void {
    this.#limit = limit;
  }

  /** Returns what is wrong when the sender broke the rules. */
  add(offset: number, data: Buffer, fin: boolean): string | undefined {
    const end = offset + data.length;
    if (end > this.#limit) return 'more data than there was credit for';
    if (this.#end !== undefined && (end > this.#end || (fin && end !== this.#end))) return 'data behind the end';
    if (fin) {
      const last = this.#received.ranges.at(-1);
      if (last && last.end > end) return 'an end before data that were sent';
      this.#end = end;
    }
    for (const gap of this.#received.missing(offset, end)) {
      // A copy, so that a few bytes do not keep the whole frame in memory.
      this.#pieces.set(gap.start, Buffer.from(data.subarray(gap.start - offset, gap.end - offset)));
    }
    this.#received.add(offset, end);
    return this.#pieces.size > MAX_PIECES ? 'data in too many pieces' : undefined;
  }

  /** The next bytes in order, if they are here. */
  read(): Buffer | undefined {
    const piece = this.#pieces.get(this.#position);
    if (!piece) return undefined;
    this.#pieces.delete(this.#position);
    this.#position += piece.length;
    return piece;
  }
}

import { Readable } from 'node:stream';

/** Cuts a stream into streams of given lengths, one after the other. */
export class Pieces {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: Readable) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next `length` bytes. Fails with what the source says, also when it ends before. */
  take(length: number): Readable {
    return Readable.from(this.#bytes(length), { objectMode: false });
  }

  async *#bytes(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if (this.#rest.length === 0) {
        const next = await this.#source.next();
        if (next.done) throw new Error(`the stream ended ${left} bytes too early`);
        this.#rest = next.value;
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }
}

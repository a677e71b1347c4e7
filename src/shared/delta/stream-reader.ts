import { Readable, type Transform } from 'node:stream';
import { constants, createBrotliDecompress, createZstdDecompress } from 'node:zlib';
import { type ByteSource, CHUNK, readExactly } from './byte-source.ts';
import { damaged, STREAM_WINDOW_LOG, type Stream } from './format.ts';

/** As much as three varints have at most. */
const ENOUGH = 24;

/**
 * Decompresses a part of a difference piece by piece. Whoever reads numbers calls `ready` only if it is not `isReady`, so
 * that it waits once in thousands of them.
 */
export class StreamReader {
  readonly #stream: Stream;
  readonly #codec: Transform & { bytesWritten: number };
  readonly #chunks: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #received = 0;
  #hasEnded = false;

  constructor(delta: ByteSource, position: number, stream: Stream) {
    this.#stream = stream;
    this.#codec = decoder(stream.codec);
    this.#chunks = this.#codec[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    // Whoever waits for a chunk is told of it; it may come before anybody does.
    this.#codec.on('error', () => undefined);
    if (stream.size === 0) {
      if (stream.length > 0) throw damaged('a stream of it has more behind it');
      this.#hasEnded = true;
      return;
    }
    const source = Readable.from(part(delta, position, stream.length), { objectMode: false, highWaterMark: CHUNK });
    source.on('error', (error) => this.#codec.destroy(error));
    this.#codec.on('close', () => source.destroy());
    source.pipe(this.#codec);
  }

  /** Bytes that can be taken without waiting. */
  get ahead(): number {
    return this.#buffer.length - this.#at;
  }

  /** Whether there are enough bytes ahead for three varints, or the last of all are. */
  get isReady(): boolean {
    return this.ahead >= ENOUGH || this.#hasEnded;
  }

  /** Waits until `isReady`. */
  async ready(): Promise<void> {
    while (!this.isReady) await this.#fill();
  }

  async #fill(): Promise<void> {
    if (this.#hasEnded) return;
    const chunk = await this.#next();
    if (chunk === undefined) return this.#ended();
    this.#received += chunk.length;
    if (this.#received > this.#stream.size) throw damaged('a stream of it is longer than it says');
    this.#buffer = this.ahead === 0 ? chunk : Buffer.concat([this.#buffer.subarray(this.#at), chunk]);
    this.#at = 0;
    // Nothing more may come: to be known before the last bytes are used.
    if (this.#received === this.#stream.size && (await this.#next()))
      throw damaged('a stream of it is longer than it says');
    if (this.#received === this.#stream.size) this.#ended();
  }

  /** The next bytes: some, at most `most`; none at the end. */
  async some(most: number): Promise<Buffer> {
    while (this.ahead === 0 && !this.#hasEnded) await this.#fill();
    return this.take(Math.min(most, this.ahead));
  }

  /** Bytes that are ahead. */
  take(length: number): Buffer {
    if (length > this.ahead) throw damaged('a stream of it ends too early');
    this.#at += length;
    return this.#buffer.subarray(this.#at - length, this.#at);
  }

  /** A varint that is ahead. */
  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80 && Number.isSafeInteger(value)) return value;
    }
    throw damaged('a stream of it has a number that is none');
  }

  /** A number of four bytes that is ahead. */
  word(): number {
    if (this.ahead < 4) throw damaged('a stream of it ends too early');
    this.#at += 4;
    return this.#buffer.readUInt32LE(this.#at - 4);
  }

  /** To be called when nothing more is wanted: throws a `DeltaError` if there is more. */
  async end(): Promise<void> {
    while (this.ahead === 0 && !this.#hasEnded) await this.#fill();
    if (this.ahead > 0) throw damaged('a stream of it is longer than what is made of it');
  }

  close(): void {
    this.#codec.destroy();
  }

  async #next(): Promise<Buffer | undefined> {
    try {
      const { done, value } = await this.#chunks.next();
      return done ? undefined : value;
    } catch (error) {
      const isCodec = error instanceof Error && 'code' in error && /^(Z_|ZSTD_|ERR_)/.test(`${error.code}`);
      throw isCodec ? damaged('a stream of it cannot be decompressed') : error;
    }
  }

  #ended(): void {
    this.#hasEnded = true;
    if (this.#received !== this.#stream.size) throw damaged('a stream of it is shorter than it says');
    if (this.#codec.bytesWritten !== this.#stream.length) throw damaged('a stream of it has more behind it');
  }
}

function decoder(codec: Stream['codec']): Transform & { bytesWritten: number } {
  const chunkSize = CHUNK;
  if (codec === 'brotli') return createBrotliDecompress({ chunkSize });
  return createZstdDecompress({ chunkSize, params: { [constants.ZSTD_d_windowLogMax]: STREAM_WINDOW_LOG.zstd } });
}

async function* part(delta: ByteSource, position: number, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < length; at += CHUNK) {
    yield await readExactly(delta, position + at, Math.min(CHUNK, length - at), 'the difference');
  }
}

/** One piece of a multiplexed Docker stream. Source: Docker Engine API, "Stream format" of ContainerAttach. */
export interface Frame {
  stream: 'stdout' | 'stderr';
  data: Buffer;
}

const headerLength = 8;

/**
 * Takes a multiplexed stream apart. Chunks may break anywhere; a frame's payload is passed on as it comes, in several
 * pieces if need be, so nothing but a header is ever held back. Throws on a header that is none.
 */
export class FrameSplitter {
  #header = Buffer.alloc(0);
  #left = 0;
  #stream: Frame['stream'] = 'stdout';

  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) rest = this.#takeHeader(rest);
      if (this.#left === 0) continue;
      const data = rest.subarray(0, this.#left);
      if (data.length > 0) frames.push({ stream: this.#stream, data });
      this.#left -= data.length;
      rest = rest.subarray(data.length);
    }
    return frames;
  }

  /** Whether the stream may end here. */
  get complete(): boolean {
    return this.#header.length === 0 && this.#left === 0;
  }

  #takeHeader(chunk: Buffer): Buffer {
    const wanted = headerLength - this.#header.length;
    this.#header = Buffer.concat([this.#header, chunk.subarray(0, wanted)]);
    if (this.#header.length === headerLength) {
      const type = this.#header[0] ?? 0;
      if (type > 3 || this.#header[1] !== 0 || this.#header[2] !== 0 || this.#header[3] !== 0) {
        throw new Error('the device sent a broken frame in an output stream');
      }
      // Type 3 is an error of the runtime: people look for those on stderr.
      this.#stream = type >= 2 ? 'stderr' : 'stdout';
      this.#left = this.#header.readUInt32BE(4);
      this.#header = Buffer.alloc(0);
    }
    return chunk.subarray(wanted);
  }
}

const longestFrame = 1 << 20;

/**
 * Takes a stream of `/gantry/v1/logs/` apart: framed like Docker's, but each frame counts as a whole, and there are more types.
 * Throws on a header that is none, and on a frame of more than 1 MiB.
 */
export class WholeFrames {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): { type: number; data: Buffer }[] {
    const frames: { type: number; data: Buffer }[] = [];
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (data.length >= headerLength) {
      const length = data.readUInt32BE(4);
      const type = data[0] ?? 0;
      if (type > 4 || data.readUIntBE(1, 3) !== 0 || length > longestFrame) {
        throw new Error('the device sent a broken frame in a log');
      }
      const end = headerLength + length;
      if (data.length < end) break;
      frames.push({ type, data: data.subarray(headerLength, end) });
      data = data.subarray(end);
    }
    this.#rest = Buffer.from(data);
    return frames;
  }
}

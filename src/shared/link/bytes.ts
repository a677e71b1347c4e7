/** Thrown when a body whose checksum fits still makes no sense: the other side speaks something else. */
export class MalformedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MalformedError';
  }
}

/** Number of bytes `value` takes as a variable-length integer (7 bits a byte, least significant first). */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}

export class ByteWriter {
  readonly #parts: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#length += bytes.byteLength;
    return this;
  }

  u8(value: number): this {
    return this.raw(Uint8Array.of(value));
  }

  u16(value: number): this {
    return this.raw(Uint8Array.of(value >> 8, value & 0xff));
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return this.raw(bytes);
  }

  varint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    while (rest >= 0x80) {
      bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    bytes.push(rest);
    return this.raw(Uint8Array.from(bytes));
  }

  /** At most 255 bytes of UTF-8; longer texts are cut. */
  text(value: string): this {
    const bytes = Buffer.from(value).subarray(0, 255);
    return this.u8(bytes.length).raw(bytes);
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts, this.#length);
  }
}

/** Every read throws `MalformedError` at the end of the bytes. */
export class ByteReader {
  readonly #bytes: Buffer;
  #position: number;

  constructor(bytes: Buffer, position = 0) {
    this.#bytes = bytes;
    this.#position = position;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#bytes.length;
  }

  raw(length: number): Buffer {
    const end = this.#position + length;
    if (end > this.#bytes.length) throw new MalformedError('cut short');
    const part = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return part;
  }

  u8(): number {
    return this.raw(1).readUInt8();
  }

  u16(): number {
    return this.raw(2).readUInt16BE();
  }

  u32(): number {
    return this.raw(4).readUInt32BE();
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new MalformedError('number too large');
      if ((byte & 0x80) === 0) return value;
      scale *= 0x80;
      if (scale > 2 ** 49) throw new MalformedError('number too long');
    }
  }

  /** What is left. */
  rest(): Buffer {
    return this.raw(this.#bytes.length - this.#position);
  }

  text(): string {
    return this.raw(this.u8()).toString('utf8');
  }
}

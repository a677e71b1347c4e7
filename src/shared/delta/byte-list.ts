/** Bytes that become more. */
export class ByteList {
  #bytes = Buffer.allocUnsafe(4096);
  #length = 0;

  /** A varint, as `varint` writes it. */
  varint(value: number): void {
    let rest = value;
    this.#makeRoom(8);
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#length++] = rest;
  }

  /** A number that may be negative. */
  zigzag(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  /** Four bytes, the lowest first. */
  word(value: number): void {
    this.#makeRoom(4);
    this.#bytes.writeInt32LE(value | 0, this.#length);
    this.#length += 4;
  }

  append(bytes: Buffer): void {
    this.#makeRoom(bytes.length);
    this.#length += bytes.copy(this.#bytes, this.#length);
  }

  /** All so far; shares memory with the list. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #makeRoom(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

const LINE_FEED = 0x0a;
const RETURN = 0x0d;

/** Puts a time stamp before each line of bytes that come in pieces; everything else stays as it is. */
export class LineStamps {
  readonly #stamp: () => string;
  #isAtStart = true;

  constructor(stamp: () => string) {
    this.#stamp = stamp;
  }

  push(chunk: Buffer): Buffer {
    const parts: Buffer[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      // A return behind a line feed would let the line overwrite its stamp.
      if (this.#isAtStart && byte !== RETURN) {
        parts.push(chunk.subarray(from, at), Buffer.from(this.#stamp()));
        from = at;
        this.#isAtStart = false;
      }
      if (byte === LINE_FEED) this.#isAtStart = true;
    }
    parts.push(chunk.subarray(from));
    return Buffer.concat(parts);
  }
}

/** `[12:34:56.789] `, local time: for a screen. */
export function clockStamp(date: Date = new Date()): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0');
  return `[${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}] `;
}

/** `2026-01-31T12:34:56.789Z `: for a file. */
export function fileStamp(date: Date = new Date()): string {
  return `${date.toISOString()} `;
}

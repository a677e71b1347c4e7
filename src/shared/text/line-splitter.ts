import { type SanitizeOptions, sanitizeLine } from './sanitize.ts';

/** Longer lines are cut; what was cut is counted in the line itself. */
const longestLineBytes = 16 * 1024;

/**
 * Bytes of one output stream → sanitised lines. Chunks may break anywhere, inside a character too; bytes that are not
 * UTF-8 become U+FFFD. Holds at most one line of 16 KiB, whatever it is fed.
 */
export class LineSplitter {
  private readonly options: SanitizeOptions;
  private parts: Uint8Array[] = [];
  private held = 0;
  private cut = 0;
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(options: SanitizeOptions) {
    this.options = options;
  }

  /** The lines that `chunk` completes. Keeps no reference to `chunk`. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let to = chunk.indexOf(0x0a); to !== -1; to = chunk.indexOf(0x0a, from)) {
      this.hold(chunk.subarray(from, to));
      lines.push(this.take());
      from = to + 1;
    }
    if (from < chunk.length) this.hold(new Uint8Array(chunk.subarray(from)));
    return lines;
  }

  /** The last line if nothing ended it. */
  end(): string[] {
    return this.held + this.cut > 0 ? [this.take()] : [];
  }

  private hold(bytes: Uint8Array): void {
    const room = Math.min(bytes.length, longestLineBytes - this.held);
    if (room > 0) this.parts.push(bytes.subarray(0, room));
    this.held += room;
    this.cut += bytes.length - room;
  }

  private take(): string {
    const [first] = this.parts;
    const bytes = this.parts.length === 1 && first ? first : Buffer.concat(this.parts);
    const line = sanitizeLine(this.decoder.decode(bytes), this.options);
    const cut = this.cut;
    this.parts = [];
    this.held = 0;
    this.cut = 0;
    return cut > 0 ? `${line} … +${cut} B` : line;
  }
}

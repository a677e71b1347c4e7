import { sanitizeLine } from '../shared/text/sanitize.ts';
import { truncate } from '../shared/text/width.ts';

/** One line at the end of standard error that says what goes on, and makes way for whatever is printed. */
export class LiveLine {
  readonly #live = process.stderr.isTTY === true && process.env.TERM !== 'dumb';
  #text = '';

  /** Nothing happens where nobody would see it being written over. */
  set(text: string): void {
    const line = truncate(sanitizeLine(text, { color: false }), (process.stderr.columns || 80) - 1);
    if (!this.#live || line === this.#text) return;
    process.stderr.write(`\r\x1b[2K${line}`);
    this.#text = line;
  }

  /** Prints lines above it. False when the stream is full: see `write` of Node's streams. */
  print(stream: NodeJS.WriteStream, text: string): boolean {
    const line = this.#text;
    this.clear();
    const hasRoom = stream.write(text);
    this.set(line);
    return hasRoom;
  }

  clear(): void {
    if (this.#text !== '') process.stderr.write('\r\x1b[2K');
    this.#text = '';
  }
}

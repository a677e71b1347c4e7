import { createConnection, type Socket } from 'node:net';
import { until } from './until.ts';

/** A machine's serial line as a plain terminal program has it: what it shows, and what is typed. */
export class PlainLine {
  readonly #socket: Socket;
  #text = '';
  /** How much of it was waited for already. */
  #seen = 0;

  /** `path`: the socket of the emulator, which serves one at a time. */
  constructor(path: string) {
    this.#socket = createConnection(path);
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => {
      this.#text += text;
    });
  }

  type(keys: string): void {
    this.#socket.write(keys);
  }

  /** Waits for this text after all that was waited for before; gives what came until then. */
  async sees(what: RegExp, seconds = 60): Promise<string> {
    try {
      return await until(`${what} on the line`, seconds, async () => {
        const found = what.exec(this.#text.slice(this.#seen));
        if (!found) return undefined;
        const passed = this.#text.slice(this.#seen, this.#seen + found.index + found[0].length);
        this.#seen += found.index + found[0].length;
        return passed;
      });
    } catch (cause) {
      throw new Error(`${(cause as Error).message}; it shows:\n${this.#text.slice(-1500)}`, { cause });
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

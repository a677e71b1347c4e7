import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { z } from 'zod';
import type { TerminalSize } from '../../shared/link/console-protocol.ts';

/** asciicast version 2 (docs.asciinema.org/manual/asciicast/v2): a header line, then one JSON array for each event. */
const headerSchema = z.looseObject({
  version: z.literal(2),
  width: z.number().int().min(1),
  height: z.number().int().min(1),
});
/** Seconds since the beginning, kind (`o` output, `m` marker, `r` size …), text. */
const eventSchema = z.tuple([z.number().min(0), z.string(), z.string()]);

export interface CastEvent {
  /** Seconds since the beginning. */
  at: number;
  text: string;
}

/** Writes what a terminal is shown. What is no UTF-8 becomes U+FFFD: the format has only text. */
export class CastWriter {
  readonly #file: number;
  readonly #now: () => number;
  readonly #startedAt: number;
  /** Keeps a character that came in two pieces together. */
  readonly #decoder = new StringDecoder('utf8');

  /** Throws when the file exists or cannot be made. `now`: milliseconds of a steady clock. */
  constructor(path: string, size: TerminalSize, title: string, now: () => number = () => performance.now()) {
    try {
      this.#file = openSync(path, 'wx', 0o600);
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'it exists already' : (error as Error).message;
      throw new Error(`${path} cannot be recorded to: ${why}`, { cause: error });
    }
    this.#now = now;
    this.#startedAt = now();
    const { columns: width, rows: height } = size;
    this.#write({ version: 2, width, height, timestamp: Math.floor(Date.now() / 1000), title });
  }

  output(bytes: Buffer): void {
    const text = this.#decoder.write(bytes);
    if (text !== '') this.#event('o', text);
  }

  /** A place to find again. */
  marker(text: string): void {
    this.#event('m', text);
  }

  resize({ columns, rows }: TerminalSize): void {
    this.#event('r', `${columns}x${rows}`);
  }

  close(): void {
    const rest = this.#decoder.end();
    if (rest !== '') this.#event('o', rest);
    closeSync(this.#file);
  }

  #event(kind: string, text: string): void {
    this.#write([Math.round((this.#now() - this.#startedAt) * 1000) / 1e6, kind, text]);
  }

  #write(value: unknown): void {
    writeSync(this.#file, `${JSON.stringify(value)}\n`);
  }
}

/** The output of a recording, in order. Throws on what is no recording, naming the line. */
export async function* readCast(path: string): AsyncGenerator<CastEvent> {
  let number = 0;
  let last = 0;
  for await (const line of linesOf(path)) {
    number += 1;
    if (number > 1 && line.trim() === '') continue;
    const value = parse(line);
    if (number === 1) {
      if (headerSchema.safeParse(value).success) continue;
      throw new Error(`${path} is no asciicast of version 2: its first line must say so`);
    }
    const event = eventSchema.safeParse(value);
    if (!event.success) throw new Error(`${path}: line ${number} is no event of an asciicast`);
    const [at, kind, text] = event.data;
    last = Math.max(last, at);
    if (kind === 'o') yield { at: last, text };
  }
  if (number === 0) throw new Error(`${path} is empty: it is no asciicast`);
}

/** Lines end with LF only: for node:readline they also end with U+2028, which JSON has in its texts. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

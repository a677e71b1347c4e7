import { closeSync, openSync, writeSync } from 'node:fs';
import { messageOf } from '../../shared/message-of.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import { ExitError, exitCodes } from '../exit-codes.ts';
import type { CastWriter } from './cast.ts';
import { clockStamp, fileStamp, LineStamps } from './line-stamps.ts';

export interface ShownOptions {
  /** The person's terminal is in raw mode. */
  isRaw: boolean;
  stamps: boolean;
  /** Undefined: no log until `toggleLog`, which then finds a name. */
  logPath: string | undefined;
  logStamps: boolean;
  cast: CastWriter | undefined;
}

/** Output that the terminal has not taken yet, at most; what comes later is not shown (but logged and recorded). */
const UNSHOWN = 1024 * 1024;

/** Where the text of a console goes: the screen, a log, a recording. */
export class Shown {
  readonly #options: ShownOptions;
  readonly #screenStamps = new LineStamps(() => clockStamp());
  readonly #fileStamps = new LineStamps(() => fileStamp());
  #isStamped: boolean;
  #log: { path: string; file: number } | undefined;

  /** Throws when the log cannot be written. */
  constructor(options: ShownOptions) {
    this.#options = options;
    this.#isStamped = options.stamps;
    if (options.logPath !== undefined) this.#startLog(options.logPath);
  }

  /** What the device said. False when the terminal wants no more until `drain`. */
  show(bytes: Buffer): boolean {
    this.#options.cast?.output(bytes);
    this.#writeLog(bytes);
    const { stdout } = process;
    if (stdout.writableLength >= UNSHOWN) return false;
    return stdout.write(this.#isStamped ? this.#screenStamps.push(bytes) : bytes);
  }

  /** One line of the console's own, for the person. */
  note(text: string): void {
    this.#options.cast?.marker(text);
    const line = sanitizeLine(text, { color: false });
    process.stderr.write(this.#options.isRaw ? `\r\n[gantry] ${line}\r\n` : `gantry: ${line}\n`);
  }

  clear(): void {
    process.stdout.write('\x1b[0m\x1b[2J\x1b[H');
  }

  toggleStamps(): void {
    this.#isStamped = !this.#isStamped;
    this.note(`time stamps are ${this.#isStamped ? 'on' : 'off'}`);
  }

  toggleLog(): void {
    if (this.#log) {
      const { path } = this.#log;
      this.#stopLog();
      this.note(`the log ${path} is closed`);
      return;
    }
    const now = new Date().toISOString().slice(0, 19).replaceAll(':', '');
    const path = this.#options.logPath ?? `gantry-console-${now}.log`;
    this.#startLog(path);
    this.note(`what comes is written to ${path}`);
  }

  close(): void {
    this.#stopLog();
    this.#options.cast?.close();
  }

  #startLog(path: string): void {
    try {
      this.#log = { path, file: openSync(path, 'a', 0o600) };
    } catch (error) {
      throw new ExitError(exitCodes.failed, `the log ${path} cannot be written: ${messageOf(error)}`);
    }
  }

  #writeLog(bytes: Buffer): void {
    if (!this.#log) return;
    const { path, file } = this.#log;
    try {
      writeSync(file, this.#options.logStamps ? this.#fileStamps.push(bytes) : bytes);
    } catch (error) {
      this.#stopLog();
      this.note(`the log ${path} cannot be written any more: ${messageOf(error)}`);
    }
  }

  #stopLog(): void {
    if (this.#log) closeSync(this.#log.file);
    this.#log = undefined;
  }
}

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../shared/message-of.ts';
import { formatBytes } from '../../shared/text/format.ts';
import { terminalSize } from '../../shared/text/terminal-size.ts';
import type { SerialConsole } from '../../transport/serial/console.ts';
import { ExitError, exitCodes } from '../exit-codes.ts';
import type { CastWriter } from './cast.ts';
import { runLineCommand } from './commands.ts';
import { helpLines, type KeyEvent, PrefixKeys, prefixName } from './keys.ts';
import { asTyped, sendPaced } from './paced.ts';
import type { Shown } from './shown.ts';

export interface AttachOptions {
  /** For people: what this is a console of. */
  title: string;
  /** Byte of the prefix key; undefined for none. */
  prefix: number | undefined;
  /** Of the port, for pacing what goes to the bare line; undefined for one without a rate. */
  baud: number | undefined;
  shown: Shown;
  cast: CastWriter | undefined;
  /** A script ends well when the device has shown this text. */
  until: string | undefined;
  /** Seconds that all may take. */
  timeoutSeconds: number | undefined;
  signal: AbortSignal;
}

/** A device that says nothing for so long has answered a script. */
const QUIET_MS = 1000;
const LOOK_MS = 50;
const END_OF_INPUT = 0x04;

/** A console joined to this process's terminal or pipes. */
export class AttachedConsole {
  readonly #console: SerialConsole;
  readonly #options: AttachOptions;
  readonly #shown: Shown;
  readonly #isTerminal = process.stdin.isTTY === true;
  readonly #keys: PrefixKeys;
  readonly #done = Promise.withResolvers<number>();
  readonly #over = new AbortController();
  /** The end of what came, for a text that comes in two pieces. */
  #tail = Buffer.alloc(0);
  #shownAt = performance.now();
  #isFull = false;
  #typing: Promise<void> = Promise.resolve();

  constructor(console: SerialConsole, options: AttachOptions) {
    this.#console = console;
    this.#options = options;
    this.#shown = options.shown;
    // What a pipe says is for the device, every byte.
    this.#keys = new PrefixKeys(this.#isTerminal ? options.prefix : undefined);
    console.on('output', (bytes) => this.#show(bytes));
    console.on('note', (text) => this.#shown.note(text));
    console.on('closed', (reason) => {
      if (reason !== undefined) this.#done.reject(new ExitError(exitCodes.unreachable, reason));
      else if (options.until === undefined) this.#done.resolve(exitCodes.ok);
      else
        this.#done.reject(
          new ExitError(exitCodes.failed, `the shell ended before ${JSON.stringify(options.until)} came`),
        );
    });
  }

  /**
   * Until the person leaves, the shell ends, or the script is done. Resolves to the exit code; rejects with a
   * `TransportError` when the line cannot be had. The terminal's mode is as before afterwards.
   */
  async run(): Promise<number> {
    const { signal, timeoutSeconds, prefix, title } = this.#options;
    const { stdin, stdout } = process;
    const restore = (): void => {
      if (this.#isTerminal) stdin.setRawMode(false);
    };
    const onResize = (): void => {
      this.#console.resize(terminalSize());
      this.#options.cast?.resize(terminalSize());
    };
    const onInput = (chunk: Buffer): void => {
      for (const event of this.#keys.push(chunk)) this.#do(event);
    };
    const abort = (): void => this.#done.resolve(exitCodes.interrupted);
    signal.addEventListener('abort', abort);
    process.once('exit', restore);
    const seconds = timeoutSeconds ?? 0;
    const timer = seconds > 0 ? setTimeout(() => this.#timedOut(seconds), seconds * 1000) : undefined;
    try {
      if (this.#isTerminal) stdin.setRawMode(true);
      stdin.on('data', onInput);
      if (!this.#isTerminal) stdin.once('end', () => void this.#inputEnded());
      stdout.on('resize', onResize);
      if (this.#isTerminal && prefix !== undefined) {
        const key = prefixName(prefix);
        this.#shown.note(`${title}; ${key} q leaves, ${key} ? lists what else there is`);
      }
      this.#console.start().catch((error: unknown) => this.#done.reject(error));
      return await this.#done.promise;
    } finally {
      this.#over.abort();
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      stdin.off('data', onInput);
      stdin.pause();
      stdout.off('resize', onResize);
      process.off('exit', restore);
      restore();
      await this.#console.close();
    }
  }

  #do(event: KeyEvent): void {
    if (event.type === 'input') this.#send(event.bytes);
    else if (event.type === 'say') this.#shown.note(event.text);
    else if (event.type === 'send') this.#attempt(() => this.#sendFile(event.path));
    else if (event.type === 'command' && event.name === 'quit') this.#done.resolve(exitCodes.ok);
    else if (event.type === 'command' && event.name === 'help') {
      for (const line of helpLines(this.#options.prefix ?? 0)) this.#shown.note(line);
    } else this.#attempt(() => runLineCommand(event, this.#console, this.#shown));
  }

  /** What a key asks for may fail, and the console goes on. */
  #attempt(action: () => Promise<void>): void {
    action().catch((error: unknown) => this.#shown.note(messageOf(error)));
  }

  /** Keys of a person go as they are; what a pipe says into a bare line goes slowly. */
  #send(bytes: Buffer): void {
    this.#typing = this.#typing.then(async () => {
      if (this.#isTerminal) return this.#console.write(bytes);
      process.stdin.pause();
      if ((await this.#settled()) === 'shell') await this.#console.write(asTyped(bytes));
      else await this.#paced(bytes);
      process.stdin.resume();
    });
  }

  #paced(bytes: Buffer): Promise<void> {
    const pace = { baud: this.#options.baud, signal: this.#over.signal };
    return sendPaced(bytes, (piece) => this.#console.write(piece), pace);
  }

  async #sendFile(path: string): Promise<void> {
    const text = readFileSync(path);
    this.#shown.note(`sending ${path}, ${formatBytes(text.length)}`);
    this.#typing = this.#typing.then(() => this.#paced(text));
    await this.#typing;
    this.#shown.note(`${path} was sent`);
  }

  /** Where what is typed goes, once that is known. */
  async #settled(): Promise<SerialConsole['mode']> {
    while (this.#console.mode === undefined && !this.#over.signal.aborted) await this.#pause();
    return this.#console.mode;
  }

  /** A pipe has said everything. One that said nothing only listens. */
  async #inputEnded(): Promise<void> {
    if (process.stdin.bytesRead === 0) return;
    await this.#typing;
    if (this.#options.until !== undefined) return;
    if ((await this.#settled()) === 'shell') {
      await this.#console.write(Buffer.of(END_OF_INPUT));
      return;
    }
    this.#shownAt = performance.now();
    while (performance.now() - this.#shownAt < QUIET_MS && !this.#over.signal.aborted) await this.#pause();
    this.#done.resolve(exitCodes.ok);
  }

  async #pause(): Promise<void> {
    await delay(LOOK_MS, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }

  #timedOut(seconds: number): void {
    const { until } = this.#options;
    if (until === undefined) this.#done.resolve(exitCodes.ok);
    else
      this.#done.reject(new ExitError(exitCodes.failed, `${JSON.stringify(until)} did not come within ${seconds} s`));
  }

  #show(bytes: Buffer): void {
    this.#shownAt = performance.now();
    if (!this.#shown.show(bytes) && !this.#isFull) {
      this.#isFull = true;
      this.#console.pause(true);
      process.stdout.once('drain', () => {
        this.#isFull = false;
        this.#console.pause(false);
      });
    }
    const { until } = this.#options;
    if (until === undefined) return;
    this.#tail = Buffer.concat([this.#tail, bytes]);
    if (this.#tail.includes(until)) this.#done.resolve(exitCodes.ok);
    this.#tail = this.#tail.subarray(-Buffer.byteLength(until));
  }
}

import { hostname } from 'node:os';
import type { OpenShell, ShellSession } from './shell.ts';

/** A serial line has no way to tell its size. */
const SIZE = { columns: 80, rows: 24 };
/** Typed ahead while the shell starts, or faster than it reads, at most. */
const TYPED_AHEAD = 64 * 1024;

export interface PlainShellOptions {
  openShell: OpenShell;
  /** Writes on the line; false when it should wait for `drained`. */
  write(bytes: Buffer): boolean;
  /** A person has ended the rescue shell. */
  leftRescue(): void;
  log(line: string): void;
}

/** The shell of a person with a plain terminal program: starts when they press Enter. Who gets in is for what it starts. */
export class PlainShell {
  readonly #options: PlainShellOptions;
  #shell: ShellSession | undefined;
  #isOpening = false;
  #isSuspended = false;
  #isClosed = false;
  #typed: Buffer[] = [];
  #typedLength = 0;
  #rescue: readonly string[] | undefined;

  constructor(options: PlainShellOptions) {
    this.#options = options;
  }

  /** Says what the line is for now. */
  greet(): void {
    if (this.#isSuspended || this.#isClosed) return;
    if (this.#rescue) for (const line of this.#rescue) this.#say(line);
    else if (this.#shell) this.#say('the link has ended; this is your shell again');
    else this.#say(`${hostname()}: press Enter for a shell`);
  }

  /** The boot has stopped: says why, in these lines, and opens the shell at once. */
  rescue(lines: readonly string[]): void {
    this.#rescue = lines;
    this.greet();
    this.#openForRescue();
  }

  /** The boot goes on; the shell stays for whoever uses it. */
  endRescue(): void {
    if (!this.#rescue) return;
    this.#rescue = undefined;
    this.say('the boot goes on');
  }

  /** One line for whoever looks at the console. */
  say(text: string): void {
    if (!this.#isClosed) this.#say(text);
  }

  /** What a person typed. */
  input(text: Buffer): void {
    if (this.#isSuspended || this.#isClosed) return;
    if (this.#shell) {
      const { stream } = this.#shell;
      if (stream.writable && stream.writableLength < TYPED_AHEAD) stream.write(text);
    } else if (this.#isOpening) {
      if (this.#typedLength + text.length > TYPED_AHEAD) return;
      this.#typed.push(Buffer.from(text));
      this.#typedLength += text.length;
    } else if (text.includes(0x0d) || text.includes(0x0a)) {
      void this.#open();
    }
  }

  /** The line takes bytes again. */
  drained(): void {
    if (!this.#isSuspended) this.#shell?.stream.resume();
  }

  /** The line carries frames now: the shell waits. */
  suspend(): void {
    this.#isSuspended = true;
    this.#shell?.stream.pause();
  }

  resume(): void {
    this.#isSuspended = false;
    this.greet();
    this.#openForRescue();
    this.#shell?.stream.resume();
  }

  close(): void {
    this.#isClosed = true;
    this.#shell?.stream.destroy();
  }

  #openForRescue(): void {
    if (this.#rescue && !this.#shell && !this.#isOpening && !this.#isSuspended && !this.#isClosed) void this.#open();
  }

  async #open(): Promise<void> {
    this.#isOpening = true;
    let shell: ShellSession;
    try {
      shell = await this.#options.openShell(SIZE);
    } catch (error) {
      this.#isOpening = false;
      this.#options.log(`console: no shell could be started: ${(error as Error).message}`);
      this.#say(`no shell could be started: ${(error as Error).message}`);
      return;
    }
    this.#isOpening = false;
    if (this.#isClosed) {
      shell.stream.destroy();
      return;
    }
    this.#shell = shell;
    shell.stream.on('data', (chunk: Buffer) => {
      if (!this.#options.write(chunk)) shell.stream.pause();
    });
    shell.stream.on('error', (error) => this.#options.log(`console: the shell failed: ${error.message}`));
    shell.stream.once('end', () => shell.stream.destroy());
    shell.stream.once('close', () => {
      this.#shell = undefined;
      const left = this.#rescue !== undefined && !this.#isClosed;
      this.#rescue = undefined;
      this.greet();
      if (left) this.#options.leftRescue();
    });
    shell.exited.catch((error: Error) => shell.stream.destroy(error));
    if (this.#isSuspended) shell.stream.pause();
    for (const typed of this.#typed.splice(0)) shell.stream.write(typed);
    this.#typedLength = 0;
  }

  #say(text: string): void {
    if (!this.#isSuspended) this.#options.write(Buffer.from(`\r\n[gantry] ${text}\r\n`));
  }
}

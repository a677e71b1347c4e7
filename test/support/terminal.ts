import { type IPty, spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';

export interface TerminalOptions {
  columns?: number;
  rows?: number;
  cwd?: string;
  /** Laid over this process's environment; undefined removes. `TERM` is xterm-256color. */
  env?: Record<string, string | undefined>;
}

export interface Exit {
  exitCode: number;
  signal: number | undefined;
}

type Condition = string | RegExp | ((screen: string) => boolean);

const defaultTimeoutMs = 15_000;
/** What terminals send for keys that have no character. */
const keys = {
  enter: '\r',
  escape: '\x1b',
  tab: '\t',
  'shift-tab': '\x1b[Z',
  backspace: '\x7f',
  up: '\x1b[A',
  down: '\x1b[B',
  right: '\x1b[C',
  left: '\x1b[D',
  home: '\x1b[H',
  end: '\x1b[F',
  pageup: '\x1b[5~',
  pagedown: '\x1b[6~',
  'ctrl-c': '\x03',
  'ctrl-d': '\x04',
  'ctrl-u': '\x15',
  'ctrl-z': '\x1a',
} as const;
export type KeyName = keyof typeof keys;

/**
 * A program in a real pseudo-terminal, seen through a real terminal emulator: what a person would see and type. Tests
 * wait for what is on the screen and never for time:
 *
 *     await using terminal = TestTerminal.start('gantry', ['-d', 'unix:/run/x.sock']);
 *     await terminal.waitFor(/web\s+web:1\s+running/);
 *     terminal.type('l');
 */
export class TestTerminal implements AsyncDisposable {
  private readonly pty: IPty;
  private readonly emulator: xterm.Terminal;
  private readonly chunks: Buffer[] = [];
  private readonly watchers = new Set<() => void>();
  private ended: Exit | undefined;
  /** Resolves when the program has ended and everything it wrote is on the screen. */
  readonly exit: Promise<Exit>;

  private constructor(command: string, args: string[], options: TerminalOptions) {
    const columns = options.columns ?? 80;
    const rows = options.rows ?? 24;
    this.emulator = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 2000 });
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries({ ...process.env, TERM: 'xterm-256color', ...options.env })) {
      if (value !== undefined) env[name] = value;
    }
    const cwd = options.cwd ?? process.cwd();
    this.pty = spawn(command, args, { name: 'xterm-256color', cols: columns, rows, cwd, env, encoding: null });
    // A terminal answers when it is asked for its cursor position or its kind.
    this.emulator.onData((answer) => this.pty.write(answer));
    this.pty.onData((data) => this.receive(Buffer.from(data)));
    this.exit = new Promise((resolve) => {
      this.pty.onExit(({ exitCode, signal }) => {
        this.emulator.write('', () => {
          this.ended = { exitCode, signal: signal === 0 ? undefined : signal };
          resolve(this.ended);
          this.notify();
        });
      });
    });
  }

  static start(command: string, args: string[] = [], options: TerminalOptions = {}): TestTerminal {
    return new TestTerminal(command, args, options);
  }

  get pid(): number {
    return this.pty.pid;
  }

  /** The rows of the screen, without the blanks at their ends. */
  rows(): string[] {
    const buffer = this.emulator.buffer.active;
    const rows = Array.from({ length: this.emulator.rows }, (_, y) => buffer.getLine(buffer.baseY + y));
    return rows.map((row) => row?.translateToString(true) ?? '');
  }

  /** The screen as one text. */
  screen(): string {
    return this.rows().join('\n');
  }

  /** Everything the program ever wrote, byte for byte: for what must never reach a terminal. */
  written(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** The state that a program must leave as it found it. */
  modes(): {
    alternateScreen: boolean;
    cursorHidden: boolean;
    mouse: boolean;
    bracketedPaste: boolean;
    applicationKeys: boolean;
  } {
    const { modes, buffer } = this.emulator;
    const written = this.written().toString('latin1');
    return {
      alternateScreen: buffer.active.type === 'alternate',
      cursorHidden: written.lastIndexOf('\x1b[?25l') > written.lastIndexOf('\x1b[?25h'),
      mouse: modes.mouseTrackingMode !== 'none' || modes.sendFocusMode,
      bracketedPaste: modes.bracketedPasteMode,
      applicationKeys: modes.applicationCursorKeysMode || modes.applicationKeypadMode,
    };
  }

  /**
   * Waits until the screen shows (or `condition` says) something; returns the screen. Fails with the screen in the
   * message after `timeoutMs`, or as soon as the program has ended without it.
   */
  async waitFor(condition: Condition, timeoutMs = defaultTimeoutMs): Promise<string> {
    const holds = test(condition);
    await this.until(() => holds(this.screen()), `the screen to show ${describeCondition(condition)}`, timeoutMs);
    return this.screen();
  }

  /** Waits until the screen does not show something (any more). */
  async waitForGone(condition: Condition, timeoutMs = defaultTimeoutMs): Promise<string> {
    const holds = test(condition);
    await this.until(() => !holds(this.screen()), `${describeCondition(condition)} to leave the screen`, timeoutMs);
    return this.screen();
  }

  /** Waits until the program has ended. */
  async waitForExit(timeoutMs = defaultTimeoutMs): Promise<Exit> {
    await this.until(() => this.ended !== undefined, 'the program to end', timeoutMs);
    return this.exit;
  }

  /** Types characters (or sends bytes) as a person would, in one go. */
  type(text: string | Uint8Array): void {
    // Bytes pass through unchanged; the types of node-pty only know of text.
    this.pty.write(typeof text === 'string' ? text : (Buffer.from(text) as unknown as string));
  }

  /** Presses keys that have no character, one after the other. */
  press(...names: KeyName[]): void {
    for (const name of names) this.type(keys[name]);
  }

  /** Pastes as terminals do for programs that have asked for bracketed paste. */
  paste(text: string): void {
    this.type(`\x1b[200~${text}\x1b[201~`);
  }

  resize(columns: number, rows: number): void {
    this.emulator.resize(columns, rows);
    this.pty.resize(columns, rows);
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    try {
      if (!this.ended) process.kill(this.pty.pid, signal);
    } catch (error) {
      // It has ended by itself, and we have not heard of it yet.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }

  /** Ends the program if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL');
    await this.exit;
    this.emulator.dispose();
  }

  private receive(data: Buffer): void {
    this.chunks.push(data);
    this.emulator.write(data, () => this.notify());
  }

  private notify(): void {
    for (const watcher of [...this.watchers]) watcher();
  }

  private until(holds: () => boolean, what: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (holds()) finish();
        else if (this.ended) finish(`the program ended (code ${this.ended.exitCode}) while waiting for ${what}`);
      };
      const finish = (problem?: string) => {
        clearTimeout(timer);
        this.watchers.delete(check);
        if (problem === undefined) resolve();
        else reject(new Error(`${problem}\n${this.framed()}`));
      };
      const timer = setTimeout(() => finish(`waited ${timeoutMs / 1000} s for ${what}`), timeoutMs);
      this.watchers.add(check);
      check();
    });
  }

  private framed(): string {
    const line = '─'.repeat(this.emulator.cols);
    const rows = this.rows().map((row) => `│${row.padEnd(this.emulator.cols)}│`);
    return [`┌${line}┐`, ...rows, `└${line}┘`].join('\n');
  }
}

function test(condition: Condition): (screen: string) => boolean {
  if (typeof condition === 'function') return condition;
  return typeof condition === 'string' ? (screen) => screen.includes(condition) : (screen) => condition.test(screen);
}

function describeCondition(condition: Condition): string {
  return typeof condition === 'function' ? 'what was asked for' : String(condition);
}

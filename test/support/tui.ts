import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TerminalOptions, TestTerminal } from './terminal.ts';

/** The terminal UI on a fake device, in a pseudo-terminal, and the wire that steers the device. */
export class TuiUnderTest implements AsyncDisposable {
  readonly terminal: TestTerminal;
  private readonly folder: string;
  private socket: Socket | undefined;
  private answers: AsyncIterator<string> | undefined;

  private constructor(terminal: TestTerminal, folder: string) {
    this.terminal = terminal;
    this.folder = folder;
  }

  /** Starts `program` (a bundled `tui-fixture.tsx`) and waits for its table; `wrap` makes the command line. */
  static async start(
    program: string,
    options: TerminalOptions & { wrap?: (command: string[]) => string[] } = {},
  ): Promise<TuiUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-tui-'));
    const command = [process.execPath, program, join(folder, 'control')];
    const [file = '', ...args] = options.wrap?.(command) ?? command;
    const terminal = TestTerminal.start(file, args, options);
    return new TuiUnderTest(terminal, folder);
  }

  /** Calls a command of the fixture and returns its answer. */
  async device(command: string, ...values: unknown[]): Promise<unknown> {
    if (!this.socket) {
      this.socket = connect(join(this.folder, 'control'));
      await once(this.socket, 'connect');
      this.answers = createInterface({ input: this.socket })[Symbol.asyncIterator]();
    }
    this.socket.write(`${JSON.stringify([command, ...values])}\n`);
    const answer = await this.answers?.next();
    return answer?.done === false ? JSON.parse(answer.value) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket?.destroy();
    await this.terminal[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

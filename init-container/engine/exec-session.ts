import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { replaceFile } from '../native/atomic-file.ts';
import { hostCommand, machineCommand } from '../native/host-command.ts';
import { spawnOnPipes } from '../native/pipes.ts';
import { signalProcess } from '../native/processes.ts';
import { type PtyProcess, spawnPty } from '../native/pty.ts';
import { readPidFile } from './exec-once.ts';
import { type OciProcess, ociJson } from './oci-spec.ts';

export interface ExecRequest {
  argv: string[];
  tty: boolean;
  /** Rows, columns: Docker's order. */
  consoleSize?: readonly [number, number];
  /** Undefined = the device itself; else what crun shall start in a container of this component. */
  container?: { name: string; instance: string; process: OciProcess };
  /** Only for the device itself. */
  env: string[];
}

/** The process's streams. With a tty everything is on `stdout`. */
export interface ExecStreams {
  stdin: Writable;
  stdout: Readable;
  stderr?: Readable;
}

const commandNotFound = 127;

/** How long a process whose client has gone away may take to end by itself after SIGHUP. */
const hangUpMs = 3000;

/** One process beside a container's own, or in the device itself. Created first, started once. */
export class ExecSession {
  readonly id = randomBytes(32).toString('hex');
  readonly request: ExecRequest;
  state: 'created' | 'running' | 'ended' = 'created';
  exitCode: number | undefined;
  pid: number | undefined;
  #pty: PtyProcess | undefined;
  #child: ChildProcess | undefined;
  #size: readonly [number, number];

  constructor(request: ExecRequest) {
    this.request = request;
    this.#size = request.consoleSize ?? [24, 80];
  }

  /** Rejects when the process cannot be started at all; what crun says about a missing program comes on `stderr`. */
  async start(consoleSize?: readonly [number, number]): Promise<ExecStreams> {
    if (consoleSize && consoleSize[0] > 0 && consoleSize[1] > 0) this.#size = consoleSize;
    this.state = 'running';
    try {
      const argv = await this.#command();
      return this.request.tty ? await this.#startOnTerminal(argv) : await this.#startOnPipes(argv);
    } catch (error) {
      this.#end(126);
      throw error;
    }
  }

  /** Resolves when the process has ended. */
  async ended(): Promise<number> {
    const code = this.#pty
      ? await this.#pty.exited
      : await new Promise<number>((resolve) => {
          const child = this.#child;
          if (!child || this.exitCode !== undefined) return resolve(this.exitCode ?? 126);
          child.once('exit', (exit, signal) => resolve(exit ?? 128 + (signal ? constants.signals[signal] : 0)));
        });
    return this.#end(code);
  }

  /** A size of zero is no size. */
  resize(rows: number, columns: number): void {
    if (rows <= 0 || columns <= 0) return;
    this.#size = [rows, columns];
    this.#pty?.resize(columns, rows);
  }

  /** The client is gone: the process gets SIGHUP, and SIGKILL if it does not care. */
  async abandon(): Promise<void> {
    if (this.state !== 'running') return;
    const inside = this.request.container ? await readPidFile(this.#pidFile) : undefined;
    if (inside) await signalProcess(inside, 'SIGHUP').catch(() => false);
    this.#pty?.hangUp();
    this.#child?.kill('SIGHUP');
    const abort = new AbortController();
    const patience = delay(hangUpMs, 'late', { signal: abort.signal }).catch(() => undefined);
    if ((await Promise.race([this.ended(), patience])) === 'late') {
      if (inside) await signalProcess(inside, 'SIGKILL').catch(() => false);
      else if (this.pid) process.kill(this.pid, 'SIGKILL');
    }
    abort.abort();
  }

  get #file(): string {
    return join(devicePaths.containers, this.request.container?.instance ?? '', `exec-${this.id.slice(0, 16)}`);
  }

  get #pidFile(): string {
    return `${this.#file}.pid`;
  }

  async #command(): Promise<string[]> {
    const { container, argv } = this.request;
    if (!container) return machineCommand(argv);
    const [height, width] = this.#size;
    const process = { ...container.process, ...(this.request.tty ? { consoleSize: { height, width } } : {}) };
    await replaceFile(`${this.#file}.json`, ociJson(process));
    return hostCommand([
      'crun',
      'exec',
      '--process',
      `${this.#file}.json`,
      '--pid-file',
      this.#pidFile,
      container.instance,
    ]);
  }

  async #startOnTerminal(argv: string[]): Promise<ExecStreams> {
    const [rows, columns] = this.#size;
    const pty = await spawnPty(argv, { rows, columns, env: this.#environment() });
    this.#pty = pty;
    this.pid = pty.pid;
    // The size may have been told while the terminal was being made.
    pty.resize(this.#size[1], this.#size[0]);
    return { stdin: pty.stream, stdout: pty.stream };
  }

  async #startOnPipes(argv: string[]): Promise<ExecStreams> {
    const { child, stdin, stdout, stderr } = await spawnOnPipes(argv, this.#environment());
    this.#child = child;
    this.pid = child.pid;
    child.once('exit', (exit, signal) => {
      this.exitCode = exit ?? 128 + (signal ? constants.signals[signal] : 0);
    });
    // A process that does not read its input is no reason to end this one.
    stdin.on('error', () => undefined);
    return { stdin, stdout, stderr };
  }

  /** For crun itself its own environment matters little; a shell of the device needs a proper one. */
  #environment(): NodeJS.ProcessEnv {
    const env: NodeJS.ProcessEnv = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
    if (this.request.container) return env;
    Object.assign(env, { HOME: '/root', TERM: this.request.tty ? 'xterm-256color' : 'dumb' });
    for (const entry of this.request.env) {
      const equals = entry.indexOf('=');
      if (equals > 0) env[entry.slice(0, equals)] = entry.slice(equals + 1);
    }
    return env;
  }

  #end(code: number): number {
    if (this.state !== 'ended') {
      this.state = 'ended';
      this.exitCode = code;
      if (this.request.container) {
        // crun writes the PID once the program runs. Without that its own 255 means what 127 means in a shell.
        if (code === 255 && !existsSync(this.#pidFile)) this.exitCode = commandNotFound;
        void rm(`${this.#file}.json`, { force: true });
        void rm(this.#pidFile, { force: true });
      }
    }
    return this.exitCode ?? code;
  }
}

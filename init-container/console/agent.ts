import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { createLink, type Link } from '../../src/shared/link/link.ts';
import { serveConsole } from './console-service.ts';
import { KernelLogLevel } from './kernel-log-level.ts';
import { PlainShell } from './plain-shell.ts';
import { refuseApi } from './refuse-api.ts';
import type { OpenShell } from './shell.ts';
import { openTtyPort, type TtyPort } from './tty-port.ts';

export interface ConsoleAgentOptions {
  /** Path of the console: see `consoleTty`. The agent must be the only reader. */
  tty: string;
  /** A new connection to the API, with half-close. */
  openApi(): Duplex;
  openShell: OpenShell;
  /** A person has ended the rescue shell. */
  leftRescue(): void;
  /** Why hosts may not use the API over this line now; undefined when they may. */
  whyNoApi?(): string | undefined;
  log(line: string): void;
  /** Default: the kernel's. */
  bootId?: string;
  /** Default: /proc/sys/kernel/printk, and a file in the run folder. */
  printk?: { control: string; saved: string };
  /** Where the safe speed is kept while the tty has another one; default: a file in the run folder. */
  savedSpeed?: string;
  /** Milliseconds before a tty that failed is opened again; default 1000. */
  reopenMs?: number;
}

export interface ConsoleAgent {
  /** `framed`: a host is connected; `plain`: the line is a console for people; `closed`: the tty is not open now. */
  readonly state: 'closed' | 'plain' | 'framed';
  /** A rescue shell on the line, with these lines that say why; undefined: it is a plain shell again. */
  rescue(lines: readonly string[] | undefined): void;
  /** One line for whoever looks at the console. Dropped while a host is connected. */
  say(text: string): void;
  /** Says goodbye to a host, restores the kernel's log level, closes the tty. */
  close(): Promise<void>;
}

/** Owns the serial console: a shell for whoever presses Enter, and the link for hosts. Survives failures of the tty. */
export function startConsoleAgent(options: ConsoleAgentOptions): ConsoleAgent {
  return new Agent(options);
}

/** A host says something every second; a person with a plain terminal has a console 3 s after it has gone. */
const SILENCE_MS = 2700;
/** A host whose device's agent was killed listens at the fast speed for so long at most, and hears nothing of this one. */
const FAST_HOST_MS = 1000;

class Agent implements ConsoleAgent {
  readonly #options: ConsoleAgentOptions;
  readonly #level: KernelLogLevel;
  readonly #bootId: string;
  readonly #done: Promise<void>;
  readonly #stop = new AbortController();
  #link: Link | undefined;
  #plain: PlainShell | undefined;
  #rescue: readonly string[] | undefined;

  constructor(options: ConsoleAgentOptions) {
    this.#options = options;
    const printk = options.printk ?? {
      control: '/proc/sys/kernel/printk',
      saved: `${devicePaths.run}/console-loglevel`,
    };
    this.#level = new KernelLogLevel(printk.control, printk.saved, options.log);
    this.#bootId = options.bootId ?? readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    this.#level.restore();
    this.#done = this.#run();
  }

  get state(): ConsoleAgent['state'] {
    if (!this.#link || this.#link.state === 'closed') return 'closed';
    return this.#link.state === 'up' ? 'framed' : 'plain';
  }

  rescue(lines: readonly string[] | undefined): void {
    this.#rescue = lines;
    if (lines) this.#plain?.rescue(lines);
    else this.#plain?.endRescue();
  }

  say(text: string): void {
    this.#plain?.say(text);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#link?.close();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { tty, log, reopenMs = 1000, savedSpeed = `${devicePaths.run}/console-speed` } = this.#options;
    let lastProblem = '';
    while (!this.#stop.signal.aborted) {
      let problem: string;
      try {
        const port = await openTtyPort(tty, savedSpeed);
        lastProblem = '';
        problem = await this.#serve(port);
      } catch (error) {
        problem = (error as Error).message;
      }
      if (this.#stop.signal.aborted) return;
      if (problem !== lastProblem) log(`console: ${tty}: ${problem}; it is opened again until it works`);
      lastProblem = problem;
      await delay(reopenMs, this.#stop.signal);
    }
  }

  /** Until the tty fails; resolves with how. */
  async #serve({ stream: port, speed }: TtyPort): Promise<string> {
    const { log, openShell } = this.#options;
    const link = createLink(port, {
      ...{ role: 'device', bootId: this.#bootId, silenceMs: SILENCE_MS },
      ...(speed && { speed }),
    });
    const closed = new Promise<string>((resolve) => link.once('closed', resolve));
    this.#link = link;
    if (this.#stop.signal.aborted) void link.close();
    const leftRescue = () => {
      this.#rescue = undefined;
      this.#options.leftRescue();
    };
    const plain = new PlainShell({ openShell, log, write: (bytes) => link.writeText(bytes), leftRescue });
    this.#plain = plain;
    link.on('text', (text) => plain.input(text));
    link.on('drain', () => plain.drained());
    link.on('up', () => {
      this.#level.lower();
      plain.suspend();
      log('console: a host is connected');
    });
    link.on('down', (reason) => {
      this.#level.restore();
      log(`console: plain again: ${reason}`);
      // Later, because a new session may take over in the same moment, and nothing may be printed into that.
      setImmediate(() => {
        // Nor does one that ends invite anybody: what comes next announces itself.
        if (link.state !== 'plain' || this.#stop.signal.aborted) return;
        link.announce();
        plain.resume();
      });
    });
    link.on('stream', (stream, service) => this.#accept(stream, service));
    link.announce();
    if (speed?.wasFast) {
      void delay(FAST_HOST_MS, this.#stop.signal).then(() => {
        if (link.state === 'plain' && !this.#stop.signal.aborted) link.announce();
      });
    }
    if (this.#rescue) plain.rescue(this.#rescue);
    else plain.greet();
    const reason = await closed;
    this.#plain = undefined;
    plain.close();
    return reason;
  }

  #accept(stream: Duplex, service: string): void {
    try {
      const refusal = service === 'api' ? this.#options.whyNoApi?.() : undefined;
      if (refusal !== undefined) refuseApi(stream, refusal);
      else if (service === 'api') join(stream, this.#options.openApi());
      else if (service === 'console') serveConsole(stream, this.#options.openShell, this.#options.log);
      else throw new Error(`this device has no service ${service}`);
    } catch (error) {
      stream.destroy(error as Error);
    }
  }
}

/** Joins two streams in both directions, with half-close; one that fails takes the other with it. */
function join(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on('error', (error) => to.destroy(error));
    from.once('close', () => {
      if (!from.readableEnded || !from.writableFinished) to.destroy();
    });
  }
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

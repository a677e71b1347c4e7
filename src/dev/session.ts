import { TransportError } from '../transport/transport.ts';
import { LogFollower } from './log-follower.ts';
import type { RoundResult } from './round-result.ts';
import { beginRounds, isDropped, nextRound, type RoundCommand, type RoundEvent, type Rounds } from './rounds.ts';
import { SourceWatch } from './watch.ts';
import { type BuildResult, DevWork, reasons, type WorkOptions } from './work.ts';

/** A device that is connected, but does not answer or has not taken an order, is asked again after this. */
const pauseMs = 1000;

/** Builds and swaps a component once, and then, if that is wanted, on each save. */
export class DevSession {
  readonly #options: WorkOptions;
  readonly #work: DevWork;
  readonly #log: LogFollower;
  #watch: SourceWatch | undefined;
  #rounds: Rounds;
  #timer: NodeJS.Timeout | undefined;
  #askTimer: NodeJS.Timeout | undefined;
  /** What the newest build gave. */
  #build: BuildResult | undefined;
  /** The boot of the device that the last swap was of. */
  #bootId: string | undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(options: WorkOptions) {
    this.#options = options;
    this.#work = new DevWork(options);
    this.#log = new LogFollower(options.device, options.name, options.report);
    this.#rounds = beginRounds(reasons.first, performance.now());
  }

  /** One build and one swap. `cause`: what was thrown, if that is why it came to nothing. */
  async once(): Promise<{ result: RoundResult; cause?: unknown }> {
    const since = performance.now();
    const { built, ...round } = await this.#work.build([reasons.first], since, () => undefined);
    if (built) return this.#work.swap(round.result, built, since);
    this.#options.report.ended(round.result);
    return round;
  }

  /** Watches, builds and swaps until `signal` aborts. Rejects when the device is lost for good. */
  async watch(): Promise<void> {
    const { device, dir, signal, report, logs } = this.#options;
    this.#bootId = (await device.info()).bootId;
    signal.throwIfAborted();
    this.#watch = new SourceWatch(dir, (path) => this.#on({ type: 'changed', path, at: performance.now() }));
    const unsubscribe = device.connection.subscribe((state) => {
      if (state.state === 'connected') void this.#connected();
      if (state.state === 'closed') this.#fail(new TransportError(state.detail, { retry: false }));
    });
    try {
      report.watching(this.#watch.folders);
      if (logs) void this.#log.follow(signal);
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        signal.addEventListener('abort', () => resolve());
        this.#on({ type: 'woken', at: performance.now() });
      });
    } finally {
      unsubscribe();
      clearTimeout(this.#timer);
      clearTimeout(this.#askTimer);
      this.#watch.close();
    }
  }

  /** What becomes of the component when the session ends now. */
  get lastWords(): string {
    const { name } = this.#options;
    const { good, revision } = this.#work;
    if (this.#work.isOrdered) {
      return `the device goes on with the swap of ${name} by itself, if it has begun; see: gantry ps, gantry revisions`;
    }
    const number = revision === undefined ? '' : ` (revision ${revision})`;
    return good === undefined ? `${name} runs what it ran before` : `${name} runs the last good version${number}`;
  }

  #on(event: RoundEvent): void {
    if (this.#options.signal.aborted) return;
    const [rounds, command] = nextRound(this.#rounds, event);
    this.#rounds = rounds;
    if (command) this.#do(command);
  }

  #do(command: RoundCommand): void {
    clearTimeout(this.#timer);
    if (command.do === 'wait') {
      // A timer may be early by a part of a millisecond.
      const ms = Math.ceil(Math.max(0, command.until - performance.now()));
      this.#timer = setTimeout(() => this.#on({ type: 'woken', at: performance.now() }), ms);
      return;
    }
    const work = command.do === 'build' ? this.#buildRound(command.changes, command.since) : this.#swapRound();
    work.catch((error: unknown) => {
      if (!this.#options.signal.aborted) this.#fail(error);
    });
  }

  async #buildRound(changes: string[], since: number): Promise<void> {
    this.#build = await this.#work.build(changes, since, (path) => {
      if (!path.includes('/node_modules/')) this.#watch?.addFile(path);
    });
    if (this.#options.signal.aborted) return;
    const { built, result } = this.#build;
    const event: RoundEvent = { type: 'built', ok: built !== undefined, at: performance.now() };
    const before = this.#rounds;
    this.#on(event);
    // What is out of date already is nothing to tell of.
    if (!built && !isDropped(before, this.#rounds)) this.#options.report.ended(result);
  }

  async #swapRound(): Promise<void> {
    const { built, result: round } = this.#build ?? {};
    if (!built || !round) throw new Error('nothing was built that could be swapped in');
    this.#log.wake();
    const { result } = await this.#work.swap(round, built, this.#rounds.current.since);
    // One that had ended for good may have had nothing to say when the swap began.
    this.#log.wake();
    const lost = result.outcome === 'lost';
    this.#on({ type: 'swapped', lost, at: performance.now() });
    // The connection may be back before this is known.
    if (lost) this.#askLater();
  }

  /** Unless the connection is away: then its return is told. */
  #askLater(): void {
    const { device, signal } = this.#options;
    if (signal.aborted || device.connection.current.state !== 'connected') return;
    clearTimeout(this.#askTimer);
    this.#askTimer = setTimeout(() => void this.#connected(), pauseMs);
  }

  /** The connection is there again; the device may have been restarted, and run something else. */
  async #connected(): Promise<void> {
    const { device, name } = this.#options;
    const { good } = this.#work;
    try {
      const { bootId } = await device.info();
      if (bootId !== this.#bootId && good !== undefined) {
        const component = (await device.components()).find((candidate) => candidate.name === name);
        if (component?.digest !== good) this.#on({ type: 'changed', path: reasons.reboot, at: performance.now() });
      }
      this.#bootId = bootId;
      this.#log.wake();
      this.#on({ type: 'again', at: performance.now() });
    } catch {
      // Lost again, or not to be asked yet: it may be starting.
      this.#askLater();
    }
  }
}

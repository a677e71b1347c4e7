import { relative } from 'node:path';
import type { BuiltImage } from '../compose/component/build.ts';
import type { Progress } from '../compose/progress.ts';
import type { Device, LogLine } from '../device/device.ts';
import type { SwapEvent } from '../shared/api/types.ts';
import { messageOf } from '../shared/message-of.ts';
import type { Digest } from '../shared/oci/types.ts';
import { TransportError } from '../transport/transport.ts';
import { type SwapResult, swapIn } from './carry-out.ts';
import type { RoundResult } from './round-result.ts';
import { beginRounds, isDropped, nextRound, type RoundCommand, type RoundEvent, type Rounds } from './rounds.ts';
import type { SwapTimeline } from './swap-timeline.ts';
import { SourceWatch } from './watch.ts';

/** What a session says to whoever looks at it. */
export interface DevReport {
  /** It watches now. */
  watching(folders: number): void;
  /** A build that takes long says what it does. */
  building(progress: Progress): void;
  swapping(event: SwapEvent): void;
  /** The new component is healthy; `ended` follows. */
  healthy(round: RoundResult): void;
  ended(round: RoundResult): void;
  log(line: LogLine): void;
  note(text: string): void;
}

export interface DevOptions {
  device: Device;
  /** The component that is swapped. */
  name: string;
  /** The folder with the recipe, as `realpath` gives it. */
  dir: string;
  /** Builds the image of the folder; told by `onRead` of each file that it reads. */
  build: (hooks: { onRead: (path: string) => void; onProgress: (progress: Progress) => void }) => Promise<BuiltImage>;
  /** How `gantry swap` would name a built image. */
  imageOf: (built: BuiltImage) => string;
  /** Removes what is left of an image that was built in this session and is of no use any more. */
  forget: (digest: Digest) => Promise<void>;
  stable: string;
  /** Whether to follow the component's log. */
  logs: boolean;
  report: DevReport;
  signal: AbortSignal;
}

/** What is said instead of a file's name where no file is the reason. */
const firstReason = 'first build';
const rebootReason = 'the device was restarted';

/** Builds and swaps a component once, and then, if that is wanted, on each save. */
export class DevSession {
  readonly #options: DevOptions;
  /** All files that the builds so far have read. */
  readonly #sources = new Set<string>();
  #watch: SourceWatch | undefined;
  #rounds: Rounds;
  #timer: NodeJS.Timeout | undefined;
  /** What the newest build gave, and what there is to say of it. */
  #built: BuiltImage | undefined;
  #result: RoundResult | undefined;
  /** What the last swap tried to bring. */
  #tried: Digest | undefined;
  /** What runs by all that is known here. */
  #good: Digest | undefined;
  /** The one in force, once a swap has told it. */
  #revision: number | undefined;
  #bootId: string | undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(options: DevOptions) {
    this.#options = options;
    this.#rounds = beginRounds(firstReason, performance.now());
  }

  /** One build and one swap. `cause`: what was thrown, if that is why it came to nothing. */
  async once(): Promise<{ result: RoundResult; cause?: unknown }> {
    const since = performance.now();
    const { built, ...round } = await this.#build([firstReason], since);
    if (!built) {
      this.#options.report.ended(round.result);
      return round;
    }
    this.#built = built;
    return this.#swap(round.result, since);
  }

  /** Watches, builds and swaps until `signal` aborts. Rejects when the device is lost for good. */
  async watch(): Promise<void> {
    const { device, signal, report, logs } = this.#options;
    this.#bootId = (await device.info()).bootId;
    this.#watch = new SourceWatch(this.#options.dir, (path) =>
      this.#on({ type: 'changed', path, at: performance.now() }),
    );
    const unsubscribe = device.connection.subscribe(({ state, ...more }) => {
      if (state === 'connected') void this.#connected();
      if (state === 'closed' && !signal.aborted && 'detail' in more) {
        this.#fail(new TransportError(more.detail, { retry: false }));
      }
    });
    try {
      report.watching(this.#watch.folders);
      if (logs) void this.#followLog();
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        signal.addEventListener('abort', () => resolve());
        this.#on({ type: 'woken', at: performance.now() });
      });
    } finally {
      unsubscribe();
      clearTimeout(this.#timer);
      this.#watch.close();
    }
  }

  /** What becomes of the component when the session ends now. */
  get lastWords(): string {
    const { name } = this.#options;
    const revision = this.#revision === undefined ? '' : ` (revision ${this.#revision})`;
    if (this.#rounds.doing === 'swapping') {
      return `the device goes on with the swap of ${name} by itself; follow it: gantry ps, gantry revisions`;
    }
    return this.#good === undefined
      ? `${name} runs what it ran before`
      : `${name} runs the last good version${revision}`;
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
      const ms = Math.max(0, command.until - performance.now());
      // A timer may be early by a part of a millisecond.
      this.#timer = setTimeout(() => this.#on({ type: 'woken', at: performance.now() }), Math.ceil(ms));
      return;
    }
    const work = command.do === 'build' ? this.#buildRound(command.changes, command.since) : this.#swapRound();
    work.catch((error: unknown) => {
      if (!this.#options.signal.aborted) this.#fail(error);
    });
  }

  async #buildRound(changes: string[], since: number): Promise<void> {
    const { built, result } = await this.#build(changes, since);
    this.#built = built;
    this.#result = result;
    const before = this.#rounds;
    const event: RoundEvent = { type: 'built', ok: built !== undefined, at: performance.now() };
    // What is out of date already is nothing to tell of.
    const [after] = nextRound(before, event);
    if (!built && !isDropped(before, after)) this.#options.report.ended(result);
    this.#on(event);
  }

  async #swapRound(): Promise<void> {
    const round = this.#result;
    if (!round) throw new Error('there is nothing to swap in');
    const { result } = await this.#swap(round, this.#rounds.current.since);
    this.#on({ type: 'swapped', lost: result.outcome === 'lost', at: performance.now() });
    // The connection may be back before this is known, or may never have been away.
    if (result.outcome === 'lost' && this.#options.device.connection.current.state === 'connected') {
      setTimeout(() => void this.#connected(), 1000).unref();
    }
  }

  async #build(
    changes: string[],
    since: number,
  ): Promise<{ built?: BuiltImage; result: RoundResult; cause?: unknown }> {
    const { build, report } = this.#options;
    const started = performance.now();
    const onRead = (path: string) => {
      this.#sources.add(path);
      if (!path.includes('/node_modules/')) this.#watch?.addFile(path);
    };
    const shown = changes.map((path) => this.#nameOf(path));
    const times = () => ({ buildMs: msSince(started), totalMs: msSince(since) });
    try {
      const built = await build({ onRead, onProgress: (progress) => report.building(progress) });
      return { built, result: { changes: shown, outcome: 'running', digest: built.digest, ...times() } };
    } catch (cause) {
      return { result: { changes: shown, outcome: 'not-built', message: messageOf(cause), ...times() }, cause };
    }
  }

  async #swap(round: RoundResult, since: number): Promise<{ result: RoundResult; cause?: unknown }> {
    const { device, name, imageOf, stable, signal, report } = this.#options;
    const built = this.#built;
    if (!built) throw new Error('there is nothing to swap in');
    const onEvent = (event: SwapEvent, timeline: SwapTimeline, healthy: boolean) => {
      report.swapping(event);
      if (!healthy) return;
      const { stages, sentBytes, healthyAt } = timeline;
      report.healthy(endOf(round, { outcome: 'running', stages, sentBytes, healthyAt }, since));
    };
    if (this.#isUnused(round, built)) {
      const result = endOf(round, { outcome: 'unchanged', message: 'nothing of it is in the image' }, since);
      report.ended(result);
      return { result };
    }
    const { cause, ...swapped } = await swapIn({ device, name, image: imageOf(built), stable, signal, onEvent });
    const result = endOf(round, swapped, since);
    await this.#remember(result, built.digest);
    report.ended(result);
    return { result, cause };
  }

  /** A file that the recipe does not use was saved. */
  #isUnused({ changes }: RoundResult, { digest }: BuiltImage): boolean {
    const sources = new Set([...this.#sources].map((path) => this.#nameOf(path)));
    const reasons = [firstReason, rebootReason];
    return digest === this.#tried && changes.every((path) => !sources.has(path) && !reasons.includes(path));
  }

  /** Keeps of all images of this session the one that runs and the newest. */
  async #remember({ outcome, revision }: RoundResult, digest: Digest): Promise<void> {
    const before = new Set([this.#tried, this.#good]);
    this.#revision = revision ?? this.#revision;
    if (outcome !== 'lost') this.#tried = digest;
    if (outcome === 'running' || outcome === 'unchanged') this.#good = digest;
    for (const old of before) {
      if (old !== undefined && old !== this.#tried && old !== this.#good) await this.#options.forget(old);
    }
  }

  /** The connection is there again; the device may have been restarted, and run something else. */
  async #connected(): Promise<void> {
    const { device, name } = this.#options;
    try {
      const { bootId } = await device.info();
      const another = bootId !== this.#bootId;
      this.#bootId = bootId;
      if (another && this.#good !== undefined) {
        const component = (await device.components()).find((candidate) => candidate.name === name);
        if (component?.digest !== this.#good) {
          this.#on({ type: 'changed', path: rebootReason, at: performance.now() });
        }
      }
      this.#on({ type: 'again', at: performance.now() });
    } catch {
      // Lost again: the next time it is there this is done again.
    }
  }

  async #followLog(): Promise<void> {
    const { device, name, report, signal } = this.#options;
    try {
      for await (const line of device.logs(name, { follow: true, tail: 0, signal })) report.log(line);
    } catch (error) {
      if (!signal.aborted) report.note(`its log cannot be followed: ${messageOf(error)}`);
    }
  }

  #nameOf(path: string): string {
    return path.startsWith('/') ? relative(this.#options.dir, path) || '.' : path;
  }
}

function endOf(round: RoundResult, result: SwapResult, since: number): RoundResult {
  const { outcome, sentBytes, stages, revision, message, healthyAt } = result;
  return {
    ...round,
    outcome,
    totalMs: msSince(since),
    ...(sentBytes !== undefined && { sentBytes }),
    ...(stages !== undefined && { stages: [...stages] }),
    ...(revision !== undefined && { revision }),
    ...(message !== undefined && { message }),
    ...(healthyAt !== undefined && { healthyMs: Math.round(healthyAt - since) }),
  };
}

/** Whole milliseconds from then until now. */
function msSince(then: number): number {
  return Math.round(performance.now() - then);
}

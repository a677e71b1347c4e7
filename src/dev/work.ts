import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import type { BuiltImage } from '../compose/component/build.ts';
import type { Progress } from '../compose/progress.ts';
import type { Device } from '../device/device.ts';
import type { SwapEvent } from '../shared/api/types.ts';
import { messageOf } from '../shared/message-of.ts';
import type { Digest } from '../shared/oci/types.ts';
import { type SwapResult, swapIn } from './carry-out.ts';
import type { DevReport } from './report.ts';
import type { RoundResult } from './round-result.ts';
import type { SwapTimeline } from './swap-timeline.ts';

export interface WorkOptions {
  device: Device;
  /** The component that is swapped. */
  name: string;
  /** The folder with the recipe, as `realpath` gives it. */
  dir: string;
  /** Builds the image of the folder; tells `onRead` of each file that it reads. */
  build: (hooks: { onRead: (path: string) => void; onProgress: (progress: Progress) => void }) => Promise<BuiltImage>;
  /** How `gantry swap` would name a built image. */
  imageOf: (built: BuiltImage) => string;
  /** Removes what is left of an image that was built here and is of no use any more. */
  forget: (digest: Digest) => Promise<void>;
  /** How long all must stay healthy before a swap is kept: `1s`. */
  stable: string;
  /** Whether the component's log is followed. */
  logs: boolean;
  report: DevReport;
  signal: AbortSignal;
}

/** What is said instead of a file's name where no file is the reason for a round. */
export const reasons = { first: 'first build', reboot: 'the device was restarted' } as const;

export interface BuildResult {
  built?: BuiltImage;
  result: RoundResult;
  /** What was thrown. */
  cause?: unknown;
}

/** The work of rounds: builds a folder and swaps what came out, and remembers what runs. */
export class DevWork {
  readonly #options: WorkOptions;
  /** All files that the builds so far have read. */
  readonly #sources = new Set<string>();
  /** What the last swap tried to bring. */
  #tried: Digest | undefined;
  /** What runs by all that is known here. */
  #good: Digest | undefined;
  #revision: number | undefined;
  #isOrdered = false;

  constructor(options: WorkOptions) {
    this.#options = options;
  }

  /** The image that runs since the last swap that went well. */
  get good(): Digest | undefined {
    return this.#good;
  }

  /** The revision in force, once a swap has told it. */
  get revision(): number | undefined {
    return this.#revision;
  }

  /** Whether a swap is under way of which all was sent: the device may have the order. */
  get isOrdered(): boolean {
    return this.#isOrdered;
  }

  /** Never rejects. `since`: `performance.now()` of the first change. `onRead` is told of each file before it is read. */
  async build(changes: string[], since: number, onRead: (path: string) => void): Promise<BuildResult> {
    const { build, report } = this.#options;
    const started = performance.now();
    const read = (path: string) => {
      this.#sources.add(path);
      onRead(path);
    };
    const resultOf = (more: Pick<RoundResult, 'outcome' | 'digest' | 'message'>): RoundResult => ({
      changes: this.#shown(changes),
      ...more,
      buildMs: msSince(started),
      totalMs: msSince(since),
    });
    try {
      const built = await build({ onRead: read, onProgress: (progress) => report.building(progress) });
      return { built, result: resultOf({ outcome: 'running', digest: built.digest }) };
    } catch (cause) {
      return { result: resultOf({ outcome: 'not-built', message: messageOf(cause) }), cause };
    }
  }

  /** Swaps in what `build` gave, and tells of it. Rejects only when the session ends. */
  async swap(round: RoundResult, built: BuiltImage, since: number): Promise<{ result: RoundResult; cause?: unknown }> {
    const { device, name, imageOf, stable, signal, report, logs } = this.#options;
    if (this.#isUnused(round, built)) {
      const result = endOf(round, { outcome: 'unchanged', message: 'nothing of it is in the image' }, since);
      report.ended(result);
      return { result };
    }
    const onEvent = (event: SwapEvent, { stages, sentBytes, healthyAt }: SwapTimeline, healthy: boolean) => {
      const { sending, progress } = event;
      this.#isOrdered = sending !== true || (progress !== undefined && progress.done >= progress.total);
      report.swapping(event);
      if (healthy) report.healthy(endOf(round, { outcome: 'running', stages, sentBytes, healthyAt }, since));
    };
    const image = imageOf(built);
    const onBusy = (message: string) => report.note(`waiting: ${message}`);
    const hooks = { onEvent, onBusy, wantsLines: !logs };
    const { cause, ...swapped } = await swapIn({ device, name, image, stable, signal, ...hooks });
    this.#isOrdered = false;
    const result = endOf(round, swapped, since);
    await this.#remember(result, built.digest);
    report.ended(result);
    return { result, cause };
  }

  /** A file that the recipe does not use was saved: what failed before is not tried again for that. */
  #isUnused({ changes }: RoundResult, { digest }: BuiltImage): boolean {
    const used = new Set<string>([...[...this.#sources].map((path) => this.#nameOf(path)), ...Object.values(reasons)]);
    return digest === this.#tried && !changes.some((path) => used.has(path));
  }

  /** Keeps of all images that were built here the one that runs and the newest. */
  async #remember({ outcome, revision }: RoundResult, digest: Digest): Promise<void> {
    const before = new Set([this.#tried, this.#good]);
    this.#revision = revision ?? this.#revision;
    if (outcome !== 'lost') this.#tried = digest;
    if (outcome === 'running' || outcome === 'unchanged') this.#good = digest;
    for (const old of before) {
      if (old !== undefined && old !== this.#tried && old !== this.#good) await this.#options.forget(old);
    }
  }

  /** Names for people: what an editor wrote and renamed meanwhile is not named beside what was saved by it. */
  #shown(changes: string[]): string[] {
    const lasting = changes.filter((path) => !path.startsWith('/') || this.#sources.has(path) || existsSync(path));
    return (lasting.length > 0 ? lasting : changes).map((path) => this.#nameOf(path));
  }

  #nameOf(path: string): string {
    return path.startsWith('/') ? relative(this.#options.dir, path) || '.' : path;
  }
}

function endOf(round: RoundResult, result: SwapResult, since: number): RoundResult {
  const { outcome, sentBytes, stages, revision, message, lastLines, healthyAt } = result;
  return {
    ...round,
    outcome,
    totalMs: msSince(since),
    ...(sentBytes !== undefined && { sentBytes }),
    ...(stages !== undefined && { stages: [...stages] }),
    ...(revision !== undefined && { revision }),
    ...(message !== undefined && { message }),
    ...(lastLines !== undefined && { lastLines }),
    ...(healthyAt !== undefined && { healthyMs: Math.round(healthyAt - since) }),
  };
}

/** Whole milliseconds from then until now. */
function msSince(then: number): number {
  return Math.round(performance.now() - then);
}

import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { configOf } from '../engine/image-config.ts';
import type { NumberedRevision } from '../revisions/types.ts';
import { probeLimitMs, startLimitMs, stopLimitMs, within, workLimitMs } from './deadline.ts';
import { type Change, revisionVolumes, type SwapParts } from './parts.ts';
import type { Side } from './planner.ts';
import type { SwapProgress } from './progress.ts';
import { whatOf } from './words.ts';

export interface ContainerStepsOptions {
  parts: SwapParts;
  progress: SwapProgress;
  base: NumberedRevision;
  revision: Revision;
  /** The configuration of one side, with what the image says as soon as that is known. */
  configOf: (change: Change, side: Side) => ComponentConfig;
}

/** The steps of containers: one takes another one's place, and its data with it. */
export class ContainerSteps {
  readonly #parts: SwapParts;
  readonly #progress: SwapProgress;
  readonly #options: ContainerStepsOptions;
  readonly #started = new Map<string, Side>();
  /** Components and sides that were found healthy by this process. */
  readonly #proven = new Set<string>();
  readonly #prepared = new Set<string>();
  readonly #copied = new Set<string>();
  /** Stopped by this process, and not started since. */
  readonly #stopped = new Set<string>();
  #downSince: number | undefined;
  #healthyAt: number | undefined;

  constructor(options: ContainerStepsOptions) {
    this.#parts = options.parts;
    this.#progress = options.progress;
    this.#options = options;
  }

  /** Milliseconds in which something was away; undefined when nothing was. */
  get downtimeMs(): number | undefined {
    if (this.#downSince === undefined || this.#healthyAt === undefined) return undefined;
    return Math.round(this.#healthyAt - this.#downSince);
  }

  hasStarted(name: string, side: Side): boolean {
    return this.#started.get(name) === side;
  }

  hasProven(name: string, side: Side): boolean {
    return this.#proven.has(proof(name, side));
  }

  /** It is as it was found: it needs no proof while nobody touches it. */
  trust(name: string, side: Side): void {
    this.#proven.add(proof(name, side));
  }

  hasPrepared(name: string): boolean {
    return this.#prepared.has(name);
  }

  /** Whether data must be copied for the new side before it starts. */
  mustCopy(change: Change): boolean {
    return !this.#copied.has(change.name) && this.#volumesOf(change).length > 0;
  }

  /** Shortens the time in which nothing runs. Nothing has been touched when this fails. */
  async prepare(change: Change): Promise<void> {
    await this.#progress.announce('stage', `making the container of ${whatOf(change, 'new')}`);
    const work = this.#parts.supervisor.prepareForSwap(change.name, change.new);
    await within(startLimitMs, `making the container of ${change.name}`, work);
    this.#prepared.add(change.name);
  }

  async copy(change: Change): Promise<void> {
    const { name, new: spec } = change;
    await this.#progress.step('copy', name, `copying the data of ${name} for ${spec.image.ref}`);
    const { base, revision } = this.#options;
    const options = { fresh: this.#progress.record.refuses };
    for (const volume of this.#volumesOf(change)) {
      const work = this.#parts.volumes.copyRevisionVolume(volume, base.revision, revision, options);
      await within(workLimitMs, `copying the volume ${volume}`, work);
    }
    this.#copied.add(name);
  }

  async stop(change: Change): Promise<void> {
    await this.#progress.step('stop', change.name, `stopping ${change.name}`);
    this.#downSince ??= performance.now();
    const limit = Math.max(...(['old', 'new'] as const).map((side) => this.#stopLimitMs(change, side)));
    await within(limit, `stopping ${change.name}`, this.#parts.supervisor.stopForSwap(change.name));
    this.#stopped.add(change.name);
  }

  async start(change: Change, side: Side): Promise<void> {
    const noted = this.#progress.step('start', change.name, `starting ${whatOf(change, side)}`);
    // Nothing runs now, and the note on the disk that it was to be stopped says enough to go on from: the disk may take
    // its time while the container starts. Whoever comes after sees by what runs which of the two happened.
    if (!this.#stopped.delete(change.name)) await noted;
    this.#downSince ??= performance.now();
    const started = this.#run(change, side, () => this.#parts.supervisor.startForSwap(change.name));
    for (const result of await Promise.allSettled([noted, started])) {
      if (result.status === 'rejected') throw result.reason;
    }
  }

  async startBeside(change: Change): Promise<void> {
    await this.#progress.step('start', change.name, `starting ${whatOf(change, 'new')} beside the old`);
    await this.#run(change, 'new', () => this.#parts.supervisor.startBesideForSwap(change.name));
  }

  async settle(change: Change, keep: Side): Promise<void> {
    const { name } = change;
    const other: Side = keep === 'new' ? 'old' : 'new';
    await this.#progress.step('stop', name, `stopping the ${other} ${name}; the other goes on`);
    this.#started.delete(name);
    this.#parts.supervisor.setSpec(name, change[keep]);
    const work = this.#parts.supervisor.settleForSwap(name, keep);
    await within(this.#stopLimitMs(change, other), `stopping one ${name}`, work);
  }

  async probe(change: Change, side: Side): Promise<void> {
    const spec = change[side];
    const limit = probeLimitMs(configOf(spec, await this.#parts.images.get(spec.image.digest)));
    const words = `waiting until ${whatOf(change, side)} is healthy, at most ${Math.round(limit / 1000)} s`;
    await this.#progress.step('probe', change.name, words);
    await this.#parts.supervisor.waitHealthy(change.name, AbortSignal.timeout(limit));
    this.#proven.add(proof(change.name, side));
    this.#healthyAt = performance.now();
  }

  async #run(change: Change, side: Side, start: () => Promise<void>): Promise<void> {
    this.#proven.delete(proof(change.name, side));
    this.#started.set(change.name, side);
    this.#parts.supervisor.setSpec(change.name, change[side]);
    await within(startLimitMs, `starting ${change.name}`, start());
  }

  #stopLimitMs(change: Change, side: Side): number {
    return stopLimitMs(this.#options.configOf(change, side));
  }

  /** Those that the change gives other data: a component of the old revision with the same specification keeps its own. */
  #volumesOf(change: Change): string[] {
    return revisionVolumes(this.#options.configOf(change, 'new'), this.#options.revision);
  }
}

const proof = (name: string, side: Side) => `${side} ${name}`;

import type { SwapEvent } from '../../src/shared/api/types.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { configOf } from '../engine/engine.ts';
import type { NumberedRevision } from '../revisions/types.ts';
import { messageOf } from '../store/errors.ts';
import type { SwapEvents } from './event-log.ts';
import type { SwapRecord } from './journal.ts';
import { type Change, isLive, isUp, namesOf, type SwapParts, sideUp } from './parts.ts';
import { type Observed, plan, type Side, type Step } from './planner.ts';
import { probeDeadlineMs } from './probe-deadline.ts';

/** A step whose effect does not last is not taken for ever. */
const maxRepeats = 3;

/** What goes wrong in a step, with what the step was about. */
class StepError extends Error {
  readonly step: Step;
  constructor(step: Step, cause: unknown) {
    super(messageOf(cause), { cause });
    this.name = 'StepError';
    this.step = step;
  }
}

export interface RunOptions {
  parts: SwapParts;
  record: SwapRecord;
  base: NumberedRevision;
  /** The revision to reach; its number is in `record.target` once it is kept. */
  revision: Revision;
  changes: Change[];
  /** Where its events go. */
  events: SwapEvents;
}

/**
 * One swap, from its first step to its last event. It plans again after each step from what the supervisor and the
 * revisions say, and keeps to itself only what it did: what it started and what it has seen healthy.
 */
export class SwapRun {
  readonly #events: SwapEvents;
  readonly #parts: SwapParts;
  readonly #base: NumberedRevision;
  readonly #revision: Revision;
  readonly #changes: Change[];
  readonly #subject: string;
  readonly #started = new Map<string, Side>();
  readonly #proven = new Set<string>();
  /** Components that could not be brought back. */
  readonly #abandoned = new Map<string, string>();
  #record: SwapRecord;
  #staged = false;
  #downSince: number | undefined;
  #healthyAt: number | undefined;

  constructor(options: RunOptions) {
    this.#parts = options.parts;
    this.#record = options.record;
    this.#base = options.base;
    this.#revision = options.revision;
    this.#changes = options.changes;
    this.#subject = namesOf(options.record.components);
    this.#events = options.events;
  }

  /** Carries the swap out, or takes it back. Never rejects: the last event says what became of it. */
  async carryOut(): Promise<void> {
    for (const { name } of this.#changes) this.#proven.add(name);
    try {
      await this.#reach('new');
      await this.#finish('done', this.#doneMessage(), this.#record.target ?? this.#base.number);
    } catch (error) {
      const step = error instanceof StepError ? error.step : undefined;
      const imagesFault = step?.action === 'start' || step?.action === 'probe';
      await this.goBack({ reason: messageOf(error), imagesFault });
    }
  }

  /** Brings the old components back where they were touched, and notes why. Never rejects. */
  async goBack(failure: NonNullable<SwapRecord['failure']>): Promise<void> {
    const touched = this.#record.phase !== 'stage';
    this.#record = { ...this.#record, failure };
    if (touched) {
      await this.#announceAnyway('rollback', `${failure.reason}; going back to ${this.#imagesOf('old')}`);
      for (const change of this.#changes) this.#parts.supervisor.setSpec(change.name, change.old);
      await this.#reachOld();
    }
    await this.#noteFailure(failure);
    await this.#finish('failed', this.#failedMessage(failure.reason, touched), this.#base.number);
  }

  /** After a restart of this process: the new revision had just been put in force. */
  async finishCommitted(): Promise<void> {
    await this.#finish(
      'done',
      `${this.#doneMessage()}; the init container was restarted just then`,
      this.#record.target,
    );
  }

  /** After a restart of the device, which brought up what was in force before the swap. */
  async finishInterrupted(reason: string): Promise<void> {
    const failure = this.#record.failure ?? { reason, imagesFault: false };
    await this.#noteFailure(failure);
    const { number } = this.#parts.revisions.current();
    await this.#finish('failed', `revision ${number} is in force: ${failure.reason}`, number);
  }

  async #reach(goal: Side): Promise<void> {
    const taken = new Map<string, number>();
    for (;;) {
      const [step] = plan(await this.#observe(goal), goal);
      if (!step) return;
      const key = JSON.stringify(step);
      taken.set(key, (taken.get(key) ?? 0) + 1);
      try {
        if ((taken.get(key) ?? 0) > maxRepeats) throw new Error(`${step.action} has no lasting effect`);
        await this.#take(step);
      } catch (error) {
        throw new StepError(step, error);
      }
    }
  }

  /** Going back does not stop at the first trouble: the other components must come back all the same. */
  async #reachOld(): Promise<void> {
    for (;;) {
      try {
        return await this.#reach('old');
      } catch (error) {
        const component = error instanceof StepError && 'component' in error.step ? error.step.component : undefined;
        const affected = component === undefined ? this.#changes.map(({ name }) => name) : [component];
        for (const name of affected) this.#abandoned.set(name, messageOf(error));
        if (component === undefined) return;
      }
    }
  }

  async #observe(goal: Side): Promise<Observed> {
    const statuses = new Map((await this.#parts.supervisor.status()).map((status) => [status.name, status]));
    const changes = this.#changes.filter(({ name }) => !this.#abandoned.has(name));
    const components = changes.map((change) => {
      const { name } = change;
      const status = statuses.get(name);
      const before = this.#record.components.find((component) => component.name === name);
      const started = this.#started.get(name);
      let up = sideUp(change, status);
      // The same image with another configuration looks the same: what we did tells them apart.
      if (up === 'other' && change.old.image.digest === change.new.image.digest)
        up = started ?? (this.#proven.has(name) ? 'old' : 'other');
      if (started === goal && !isUp(status)) {
        if (this.#proven.has(name))
          throw new Error(`${name} was healthy, but has ended since (${status?.detail ?? 'no reason known'})`);
        // It ended at once. The probe knows why.
        up = goal;
      }
      return {
        name,
        live: isLive(change.old.kind),
        ranBefore: before?.ranBefore ?? true,
        up,
        proven: this.#proven.has(name),
      };
    });
    const committed =
      this.#record.target !== undefined && this.#parts.revisions.current().number === this.#record.target;
    return { staged: this.#staged, committed, components };
  }

  async #take(step: Step): Promise<void> {
    switch (step.action) {
      case 'stage':
        return this.#stage();
      case 'stop':
        return this.#stop(this.#change(step.component));
      case 'start':
        return this.#start(this.#change(step.component), step.side);
      case 'probe':
        return this.#probe(this.#change(step.component), step.side);
      case 'commit':
        return this.#commit();
    }
  }

  async #stage(): Promise<void> {
    await this.#announce('stage', `checking that ${this.#imagesOf('new')} is complete on this device`);
    for (const change of this.#changes) configOf(change.new, await this.#parts.images.get(change.new.image.digest));
    const { number } = await this.#parts.revisions.append(this.#revision, this.#record.reason);
    this.#record = { ...this.#record, target: number };
    this.#staged = true;
  }

  async #stop(change: Change): Promise<void> {
    await this.#announceFor('stop', change, `stopping ${change.name}`);
    this.#downSince ??= performance.now();
    await this.#parts.supervisor.stopForSwap(change.name);
  }

  async #start(change: Change, side: Side): Promise<void> {
    await this.#announceFor('start', change, `starting ${change[side].image.ref}`);
    this.#downSince ??= performance.now();
    this.#proven.delete(change.name);
    this.#started.set(change.name, side);
    this.#parts.supervisor.setSpec(change.name, change[side]);
    await this.#parts.supervisor.startForSwap(change.name);
  }

  async #probe(change: Change, side: Side): Promise<void> {
    const spec = change[side];
    const { healthcheck } = configOf(spec, await this.#parts.images.get(spec.image.digest));
    const deadlineMs = probeDeadlineMs(healthcheck);
    const words = `waiting until ${spec.image.ref} is healthy, at most ${Math.round(deadlineMs / 1000)} s`;
    await this.#announceFor('probe', change, words);
    await this.#parts.supervisor.waitHealthy(change.name, AbortSignal.timeout(deadlineMs));
    this.#proven.add(change.name);
    this.#healthyAt = performance.now();
  }

  async #commit(): Promise<void> {
    const { target } = this.#record;
    if (target === undefined) throw new Error('the new revision was not kept');
    await this.#announce('commit', `putting revision ${target} in force`);
    await this.#parts.revisions.commit(target);
    for (const change of this.#changes) this.#parts.supervisor.setSpec(change.name, change.new);
  }

  async #noteFailure({ reason, imagesFault }: NonNullable<SwapRecord['failure']>): Promise<void> {
    const { target, refuses } = this.#record;
    if (target === undefined) return;
    const images = this.#changes.map((change) => ({ component: change.name, digest: change.new.image.digest }));
    try {
      await this.#parts.revisions.fail(target, reason, refuses && imagesFault ? images : []);
    } catch (error) {
      this.#parts.log(`cannot note why revision ${target} failed (${reason}): ${messageOf(error)}`);
    }
  }

  #announceFor(stage: 'stop' | 'start' | 'probe', change: Change, message: string): Promise<void> {
    // While going back, every step is part of `rollback`: that is what the next process must know.
    return this.#record.failure
      ? this.#announceAnyway('rollback', message, { component: change.name })
      : this.#announce(stage, message, { component: change.name });
  }

  /** Notes on the disk what comes next, then tells those who follow. */
  async #announce(stage: SwapEvent['stage'], message: string, more: Partial<SwapEvent> = {}): Promise<void> {
    const event: SwapEvent = { stage, component: this.#subject, at: new Date().toISOString(), message, ...more };
    this.#record = { ...this.#record, phase: stage, events: [...this.#record.events, event] };
    try {
      await this.#parts.journal.write(this.#record);
    } finally {
      this.#parts.log(`swap of ${event.component}: ${stage}: ${message}`);
      this.#events.publish(event);
    }
  }

  /** Going back must not fail because the disk is full: without its note, the next process goes back as well. */
  async #announceAnyway(stage: SwapEvent['stage'], message: string, more: Partial<SwapEvent> = {}): Promise<void> {
    await this.#announce(stage, message, more).catch((error: unknown) => {
      this.#parts.log(`the journal of the swap cannot be written: ${messageOf(error)}`);
    });
  }

  async #finish(stage: 'done' | 'failed', message: string, revision: number | undefined): Promise<void> {
    const known = stage === 'done' && this.#downSince !== undefined && this.#healthyAt !== undefined;
    const downtimeMs = known ? Math.round((this.#healthyAt ?? 0) - (this.#downSince ?? 0)) : undefined;
    await this.#announceAnyway(stage, message, { revision, ...(downtimeMs === undefined ? {} : { downtimeMs }) });
  }

  #doneMessage(): string {
    const later = this.#changes.filter((change) => !isLive(change.old.kind));
    const when = later.length === 0 ? '' : ` (${namesOf(later)}: from its next run on)`;
    return `${this.#subject} now runs ${this.#imagesOf('new')}${when}`;
  }

  #failedMessage(reason: string, touched: boolean): string {
    if (!touched) return `nothing was changed: ${reason}`;
    const troubles = [...this.#abandoned].map(([name, trouble]) => `; ${name} did not come back: ${trouble}`);
    const state =
      this.#abandoned.size === 0 ? `${this.#subject} runs ${this.#imagesOf('old')} as before` : 'rolled back';
    return `${state}: ${reason}${troubles.join('')}`;
  }

  #imagesOf(side: Side): string {
    return this.#changes.map((change) => change[side].image.ref).join(', ');
  }

  #change(name: string): Change {
    const change = this.#changes.find((known) => known.name === name);
    if (!change) throw new Error(`${name} is not part of this swap`);
    return change;
  }
}

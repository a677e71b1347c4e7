import { specKey } from '../engine/record.ts';
import { messageOf } from '../store/errors.ts';
import { StepError } from './errors.ts';
import type { SwapEvents } from './event-log.ts';
import type { Failure, SwapRecord } from './journal.ts';
import { type Change, howItRuns, namesOf, type SwapParts, settleCopies } from './parts.ts';
import { plan, type Side } from './planner.ts';
import { JournalError, SwapProgress } from './progress.ts';
import { UnstableError } from './stability.ts';
import { SwapSteps, type SwapSubject } from './steps.ts';
import { imagesOf, whatRuns } from './words.ts';

/** A step whose effect does not last is not taken for ever. */
const maxRepeats = 3;

export interface RunOptions extends Omit<SwapSubject, 'progress'> {
  record: SwapRecord;
  /** Where its events go. */
  events: SwapEvents;
}

/**
 * One swap, from its first step to its last event. It plans again after each step from what the supervisor and the
 * revisions say.
 */
export class SwapRun {
  readonly #parts: SwapParts;
  readonly #changes: Change[];
  readonly #baseNumber: number;
  readonly #progress: SwapProgress;
  readonly #steps: SwapSteps;
  /** Components that could not be brought back. */
  readonly #abandoned = new Map<string, string>();

  constructor(options: RunOptions) {
    const { parts, record, events } = options;
    this.#parts = parts;
    this.#changes = options.changes;
    this.#baseNumber = options.base.number;
    this.#progress = new SwapProgress(record, parts.journal, events, parts.log);
    this.#steps = new SwapSteps({ ...options, progress: this.#progress });
  }

  /** Carries the swap out, or takes it back. Never rejects: the last event says what became of it. */
  async carryOut(): Promise<void> {
    this.#steps.trustOld();
    await this.#reachNew();
  }

  /** Goes on in another process or boot with a swap that needed it. Never rejects. */
  async resume(): Promise<void> {
    this.#progress.note({ resumed: this.#progress.record.resumed + 1 });
    await this.#progress.saveAnyway();
    await this.#reachNew();
  }

  /** Brings the old components back where they were touched, and notes why. Never rejects. */
  async goBack(failure: Failure): Promise<void> {
    const { events, applied } = this.#progress.record;
    // Something may be made ahead of time after something else was touched.
    const touched = applied.length > 0 || events.some(({ stage }) => stage !== 'stage');
    this.#progress.note({ failure });
    if (touched) {
      const words = `${failure.reason}; going back to ${imagesOf(this.#changes, 'old')}`;
      await this.#progress.announceAnyway('rollback', words);
    }
    // Also clears away what was prepared.
    for (const change of this.#changes) this.#parts.supervisor.setSpec(change.name, change.old);
    if (touched) await this.#reachOld();
    await this.#noteFailure(failure);
    await this.#finish('failed', this.#failedMessage(failure.reason, touched), this.#baseNumber);
  }

  /** After a restart of this process: the new revision had just been put in force. */
  async finishCommitted(): Promise<void> {
    await this.#steps.keepNew();
    const words = `${this.#doneMessage()}; the init container was restarted just then`;
    await this.#finish('done', words, this.#progress.record.target);
  }

  /** After a restart of the device, which brought up what was in force before the swap. */
  async finishInterrupted(reason: string): Promise<void> {
    const failure = this.#progress.record.failure ?? { reason, atFault: [], interrupted: true };
    await this.#noteFailure(failure);
    const { number } = this.#parts.revisions.current();
    await this.#finish('failed', `revision ${number} is in force: ${failure.reason}`, number);
  }

  async #reachNew(): Promise<void> {
    try {
      await this.#reach('new');
      await this.#finish('done', this.#doneMessage(), this.#progress.record.target ?? this.#baseNumber);
    } catch (error) {
      await this.goBack({ reason: messageOf(error), atFault: this.#atFault(error), interrupted: false });
    }
  }

  async #reach(goal: Side): Promise<void> {
    const taken = new Map<string, number>();
    for (;;) {
      const [step] = plan(await this.#steps.observe(goal, new Set(this.#abandoned.keys())), goal);
      if (!step) return;
      const key = JSON.stringify(step);
      taken.set(key, (taken.get(key) ?? 0) + 1);
      try {
        if ((taken.get(key) ?? 0) > maxRepeats) throw new Error(`${step.action} has no lasting effect`);
        await this.#steps.take(step);
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
        const component =
          error instanceof UnstableError
            ? error.component
            : error instanceof StepError && 'component' in error.step
              ? error.step.component
              : undefined;
        const affected = component === undefined ? this.#changes.map(({ name }) => name) : [component];
        for (const name of affected) this.#abandoned.set(name, messageOf(error));
        if (component === undefined) return;
      }
    }
  }

  /** Which of what is new did it: that is what is refused from now on. */
  #atFault(error: unknown): string[] {
    const cause = error instanceof StepError ? error.cause : error;
    if (cause instanceof UnstableError) {
      const culprit = this.#changes.filter(({ name }) => name === cause.component);
      // Something that depends on what is new suffers: nobody knows from which of it.
      return (culprit.length > 0 ? culprit : this.#changes).map(({ name }) => name);
    }
    if (!(error instanceof StepError) || cause instanceof JournalError) return [];
    const { step } = error;
    const blames = ['prepare', 'start', 'start-beside', 'probe', 'verify'].includes(step.action);
    return blames && 'component' in step ? [step.component] : [];
  }

  async #noteFailure({ reason, atFault, interrupted }: Failure): Promise<void> {
    const { target, refuses } = this.#progress.record;
    if (target === undefined) return;
    const refused = this.#changes
      .filter(({ name }) => refuses && atFault.includes(name))
      .map((change) => ({
        component: change.name,
        digest: change.new.image.digest,
        // The image has shown before that it works: it is the configuration that does not.
        ...(change.old.image.digest === change.new.image.digest ? { spec: specKey(change.new) } : {}),
      }));
    try {
      await this.#parts.revisions.fail(target, { failure: reason, interrupted, refuse: refused });
    } catch (error) {
      this.#parts.log(`cannot note why revision ${target} failed (${reason}): ${messageOf(error)}`);
    }
  }

  async #finish(stage: 'done' | 'failed', message: string, revision: number | undefined): Promise<void> {
    await settleCopies(this.#parts);
    const downtimeMs = stage === 'done' ? this.#steps.downtimeMs : undefined;
    const more = { revision, ...(downtimeMs === undefined ? {} : { downtimeMs }) };
    await this.#progress.announceAnyway(stage, message, more);
  }

  #doneMessage(): string {
    const later = this.#changes.filter((change) => howItRuns(change.old.kind) === 'later');
    const when = later.length === 0 ? '' : ` (${namesOf(later)}: from its next run on)`;
    return `${whatRuns(this.#changes, 'new', 'now ')}${when}`;
  }

  #failedMessage(reason: string, touched: boolean): string {
    if (!touched) return `nothing was changed: ${reason}`;
    const troubles = [...this.#abandoned].map(([name, trouble]) => `; ${name} did not come back: ${trouble}`);
    const state = this.#abandoned.size === 0 ? `${whatRuns(this.#changes, 'old')} as before` : 'rolled back';
    return `${state}${this.#asIllAsBefore()}: ${reason}${troubles.join('')}`;
  }

  /** Going back to something that was not well is still going back, but nobody shall think that all is well now. */
  #asIllAsBefore(): string {
    const { components } = this.#progress.record;
    const words = [
      [components.filter(({ ranBefore }) => !ranBefore), 'did not run before either'],
      [components.filter(({ ranBefore, wasWell }) => ranBefore && !wasWell), 'was not healthy before either'],
    ] as const;
    const notes = words.filter(([list]) => list.length > 0).map(([list, text]) => `${namesOf(list)} ${text}`);
    return notes.length === 0 ? '' : ` (${notes.join('; ')})`;
  }
}

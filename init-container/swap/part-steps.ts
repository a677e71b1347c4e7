import { probeLimitMs, within, workLimitMs } from './deadline.ts';
import { type Change, howItRuns, type PartSwapper, type SwapParts } from './parts.ts';
import { describeStep, type Effect, type Side } from './planner.ts';
import type { SwapProgress } from './progress.ts';
import { whatOf } from './words.ts';

/** After a restart or a reboot everything comes up anew. */
export const comeUpMs = 180_000;

/** The steps of what is no container: init container, base, kernel. What was applied is in the record, for later processes. */
export class PartSteps {
  readonly #parts: SwapParts;
  readonly #progress: SwapProgress;
  /** Component and side that were found to work by this process. */
  readonly #proven = new Map<string, Side>();

  constructor(parts: SwapParts, progress: SwapProgress) {
    this.#parts = parts;
    this.#progress = progress;
  }

  hasProven(name: string, side: Side): boolean {
    return this.#proven.get(name) === side;
  }

  async apply(change: Change, side: Side): Promise<void> {
    const { bootId: boot, processId: process } = this.#parts;
    const others = this.#progress.record.applied.filter(({ component }) => component !== change.name);
    const entry = { component: change.name, side, boot, process };
    this.#progress.note({ applied: [...others, entry] });
    await this.#progress.step('apply', change.name, `putting ${whatOf(change, side)} in place`);
    this.#proven.delete(change.name);
    const work = this.#swapper(change).apply(change, side);
    const effect = await within(workLimitMs, `putting ${change.name} in place`, work);
    this.#progress.note({ applied: [...others, { ...entry, effect }] });
    // On the way back a full disk is no reason to stop: without this note the next process applies it once more.
    await (this.#progress.record.failure ? this.#progress.saveAnyway() : this.#progress.save());
  }

  /** Does not return: this process, or the device, ends. Rejects when that does not happen. */
  async restart(effect: Exclude<Effect, 'live'>): Promise<void> {
    const words = effect === 'reboot' ? 'the device reboots now' : 'the init container is restarted now';
    if (this.#progress.record.failure) await this.#progress.announceAnyway('rollback', words);
    else await this.#progress.announce('restart', words);
    const gone = this.#parts.restart(effect).then(() => new Promise<never>(() => undefined));
    await within(workLimitMs, describeStep({ action: 'restart', effect }), gone);
  }

  async verify(change: Change, side: Side): Promise<void> {
    const limit = probeLimitMs(change[side].config) + comeUpMs;
    await this.#progress.step('probe', change.name, `checking that ${whatOf(change, side)} works`);
    const check = this.#swapper(change).verify(change, side, AbortSignal.timeout(limit));
    await within(limit + 1000, `checking ${change.name}`, check);
    this.#proven.set(change.name, side);
  }

  /** Makes what was applied what starts from now on. */
  async confirm(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      if (howItRuns(change.old.kind) === 'part') await this.#swapper(change).confirm(change);
    }
  }

  #swapper(change: Change): PartSwapper {
    const swapper = this.#parts.swappers[change.old.kind];
    if (!swapper) throw new Error(`a ${change.old.kind} cannot be swapped here`);
    return swapper;
  }
}

import type { z } from 'zod';
import type {
  RollbackRequest,
  SwapEvent,
  SwapPlan,
  swapPlanRequestSchema,
  swapRequestSchema,
} from '../../src/shared/api/types.ts';
import type { NumberedRevision } from '../revisions/types.ts';
import { messageOf } from '../store/errors.ts';
import { SwapError } from './errors.ts';
import { SwapEvents } from './event-log.ts';
import type { SwapRecord } from './journal.ts';
import { isUp, isWell, pendingEffect } from './observe.ts';
import { changesBetween, namesOf, type SwapParts, settleCopies } from './parts.ts';
import { type PreviewStorage, previewSwap } from './preview.ts';
import { SwapRun } from './run.ts';
import type { SwapSubject } from './steps.ts';
import { expectSwappable, refusalOf, type Wanted, wantedByRollback, wantedBySwap } from './wanted.ts';

export interface SwapsOptions extends SwapParts {
  /** Whether revisions outlive a power-off: without, what runs only at boot cannot be swapped. */
  persistent: boolean;
}

/** A part that needs another process or boot each time it is looked at will never work. */
const maxResumes = 3;

/** Loads the newest swap. If it had not ended, `recover` must be called; until then no other can begin. */
export async function openSwaps(options: SwapsOptions): Promise<Swaps> {
  return new Swaps(options, await options.journal.read());
}

/** Begins swaps and rollbacks, one at a time, and keeps the newest one's events. */
export class Swaps {
  readonly #options: SwapsOptions;
  #latest: SwapEvents | undefined;
  /** The newest swap, for people. */
  #description = '';
  #unfinished: SwapRecord | undefined;
  /** Revisions that were being tried when this process began; later ones are of its own swaps. */
  readonly #leftovers: number[];

  constructor(options: SwapsOptions, record: SwapRecord | undefined) {
    this.#options = options;
    this.#leftovers = options.revisions.trying();
    if (!record) return;
    this.#latest = new SwapEvents(record.events);
    if (this.#latest.ended) return;
    this.#unfinished = record;
    this.#description = describe(record);
  }

  /** The newest swap's events; undefined when there never was one. */
  get latest(): SwapEvents | undefined {
    return this.#latest;
  }

  /** Begins to replace components. Throws a `SwapError` when it cannot begin; nothing has changed then. */
  swap(request: z.output<typeof swapRequestSchema>): SwapEvents {
    this.#expectIdle();
    const wanted = wantedBySwap(this.#options.revisions, request);
    if (wanted.changes.length === 0) {
      const { components } = wanted.revision;
      const words = request.changes.map(({ name }) => `${name} already runs ${components[name]?.image.ref ?? name}`);
      return this.#nothingToDo(namesOf(request.changes), words.join(', '), wanted.base);
    }
    expectSwappable(wanted.changes, this.#options, this.#options.persistent);
    const refusal = refusalOf(wanted.changes, this.#options.revisions);
    if (refusal !== undefined && !request.retry) {
      throw new SwapError('conflict', `${refusal}. To take it all the same: gantry swap --retry ("retry": true)`);
    }
    return this.#begin(wanted, { refuses: true, stable: request.stable });
  }

  /** See `previewSwap`. Also while a swap is under way. */
  preview(request: z.output<typeof swapPlanRequestSchema>, storage: PreviewStorage): Promise<SwapPlan> {
    return previewSwap(this.#options, storage, request);
  }

  /** Begins to go back. Throws a `SwapError` when there is nothing to go back to. Refuses nothing for it. */
  rollback(request: RollbackRequest): SwapEvents {
    this.#expectIdle();
    const wanted = wantedByRollback(this.#options.revisions, request);
    if (wanted.changes.length === 0) {
      const subject = request.name ?? 'the device';
      return this.#nothingToDo(subject, `${subject} already is as it was then`, wanted.base);
    }
    expectSwappable(wanted.changes, this.#options, this.#options.persistent);
    return this.#begin(wanted, { refuses: false });
  }

  /**
   * Ends what a restart of the init container or of the device interrupted: before its commit the old revision stays in
   * force and its components run again, after it the new one. A swap that itself needed the restart goes on. To be called
   * once, when the supervisor has found again what runs. Never rejects.
   */
  async recover(): Promise<void> {
    const record = this.#unfinished;
    this.#unfinished = undefined;
    await this.#noteLeftovers(record);
    if (record) await this.#end(record);
    // The journal may be lost.
    else await settleCopies(this.#options);
  }

  async #end(record: SwapRecord): Promise<void> {
    const { revisions, bootId } = this.#options;
    const base = revisions.get(record.base);
    const target = record.target === undefined ? undefined : revisions.get(record.target);
    const names = record.components.map((component) => component.name);
    const changes = base && target ? changesBetween(base, target, names) : [];
    const events = this.#latest ?? new SwapEvents(record.events);
    const options = { parts: this.#options, record, base: base ?? revisions.current(), changes, events };
    const run = new SwapRun({ ...options, revision: target?.revision ?? options.base.revision });
    const current = revisions.current().number;
    if (target && current === target.number) return run.finishCommitted();
    const parts = record.applied.length > 0;
    // What runs after a boot is what is in force: only parts have to be brought back to it.
    if (current !== record.base || changes.length === 0 || (record.boot !== bootId && !parts)) {
      return run.finishInterrupted('the device was restarted in the middle of it');
    }
    if (record.failure) return run.goBack(record.failure);
    if (this.#canResume(record)) return run.resume();
    const what = record.boot === bootId ? 'the init container' : 'the device';
    await run.goBack({ reason: `${what} was restarted in the middle of it`, atFault: [], interrupted: true });
  }

  /** Whether a restart or a reboot was what the swap itself needed. */
  #canResume({ applied, resumed }: SwapRecord): boolean {
    const whole = applied.every(({ effect }) => effect !== undefined);
    const took = applied.some((part) => part.effect !== 'live' && !pendingEffect(part, this.#options));
    return whole && took && resumed < maxResumes;
  }

  /** A revision that was being made when the power failed, and of which the journal does not know yet. */
  async #noteLeftovers(record: SwapRecord | undefined): Promise<void> {
    for (const number of this.#leftovers) {
      if (number === record?.target) continue;
      const failure = { failure: 'the device was restarted in the middle of it', interrupted: true, refuse: [] };
      await this.#options.revisions.fail(number, failure).catch((error: unknown) => {
        this.#options.log(`cannot note that revision ${number} was interrupted: ${messageOf(error)}`);
      });
    }
  }

  #begin(wanted: Wanted, { refuses, stable }: { refuses: boolean; stable?: string | undefined }): SwapEvents {
    const record: SwapRecord = {
      boot: this.#options.bootId,
      startedAt: new Date().toISOString(),
      reason: wanted.reason,
      base: wanted.base.number,
      components: [],
      well: [],
      refuses,
      phase: 'stage',
      applied: [],
      resumed: 0,
      events: [],
    };
    this.#description = describe(record);
    const events = new SwapEvents();
    this.#latest = events;
    void this.#carryOut({ ...wanted, stable }, record, events);
    return events;
  }

  async #carryOut(wanted: Wanted & Pick<SwapSubject, 'stable'>, record: SwapRecord, events: SwapEvents): Promise<void> {
    try {
      const statuses = new Map((await this.#options.supervisor.status()).map((status) => [status.name, status]));
      const components = wanted.changes.map(({ name }) => {
        const status = statuses.get(name);
        return {
          name,
          ranBefore: isUp(status),
          wasWell: status?.health !== 'unhealthy' && status?.state !== 'waiting',
        };
      });
      const well = [...statuses.values()]
        .filter((status) => status.kind === 'service' && isWell(status))
        .map(({ name }) => name);
      const run = new SwapRun({ ...wanted, parts: this.#options, record: { ...record, components, well }, events });
      await run.carryOut();
    } catch (error) {
      const message = `nothing was changed: ${messageOf(error)}`;
      events.publish(eventNow('failed', namesOf(wanted.changes), message, wanted.base.number));
    }
  }

  #nothingToDo(component: string, message: string, base: NumberedRevision): SwapEvents {
    this.#latest = new SwapEvents([eventNow('done', component, message, base.number)]);
    return this.#latest;
  }

  #expectIdle(): void {
    // Not a moment longer than that: who has read the last event may begin the next swap.
    if (this.#latest === undefined || this.#latest.ended) return;
    throw new SwapError(
      'conflict',
      `one swap at a time: ${this.#description}; GET /gantry/v1/swap follows it to its end`,
    );
  }
}

function describe(record: SwapRecord): string {
  return `"${record.reason}" is under way since ${record.startedAt}`;
}

function eventNow(stage: 'done' | 'failed', component: string, message: string, revision: number): SwapEvent {
  return { stage, component, at: new Date().toISOString(), message, revision };
}

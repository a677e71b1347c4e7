import type { z } from 'zod';
import type { RollbackRequest, SwapEvent, swapRequestSchema } from '../../src/shared/api/types.ts';
import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { nearest } from '../../src/shared/text/nearest.ts';
import { changedComponents } from '../revisions/changes.ts';
import type { NumberedRevision } from '../revisions/types.ts';
import { messageOf } from '../store/errors.ts';
import { SwapError } from './errors.ts';
import { SwapEvents } from './event-log.ts';
import type { SwapRecord } from './journal.ts';
import { type Change, changesBetween, isUp, namesOf, type SwapParts } from './parts.ts';
import { SwapRun } from './run.ts';

export interface SwapsOptions extends SwapParts {
  /** Whether revisions outlive a power-off: without, what runs only at boot cannot be swapped. */
  persistent: boolean;
}

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

  constructor(options: SwapsOptions, record: SwapRecord | undefined) {
    this.#options = options;
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

  /** Begins to replace one component's image. Throws a `SwapError` when it cannot begin; nothing has changed then. */
  swap(request: z.output<typeof swapRequestSchema>): SwapEvents {
    this.#expectIdle();
    const base = this.#options.revisions.current();
    const spec = this.#component(base, request.name);
    this.#expectSwappable(request.name, spec);
    const { ref, digest } = request;
    if (spec.image.digest === digest) return this.#nothingToDo(request.name, spec.image.ref, base);
    const refusal = this.#options.revisions.refusal(request.name, digest);
    if (refusal && !request.insist) {
      const why = `${ref} was rolled back at ${refusal.at}: ${refusal.reason}`;
      throw new SwapError('conflict', `${why}. To take it all the same, swap again with --insist ("insist": true)`);
    }
    const revision = withImage(base.revision, request.name, { ref, digest });
    return this.#begin({ base, revision, names: [request.name], reason: `swap ${request.name}`, refuses: true });
  }

  /** Begins to go back. Throws a `SwapError` when there is nothing to go back to. Refuses no image for it. */
  rollback(request: RollbackRequest): SwapEvents {
    this.#expectIdle();
    const base = this.#options.revisions.current();
    const { name } = request;
    if (name === undefined) {
      const target = this.#target(request.revision);
      const names = changedComponents(base.revision, target.revision);
      if (names.length === 0) return this.#nothingToDo('', `revision ${target.number}`, base);
      for (const changed of names) this.#expectInBoth(changed, base, target);
      return this.#begin({
        base,
        revision: target.revision,
        names,
        reason: `rollback to ${target.number}`,
        refuses: false,
      });
    }
    const spec = this.#component(base, name);
    this.#expectSwappable(name, spec);
    const former = this.#formerSpec(name, spec, base, request.revision);
    if (former.image.digest === spec.image.digest) return this.#nothingToDo(name, spec.image.ref, base);
    const revision: Revision = { ...base.revision, components: { ...base.revision.components, [name]: former } };
    return this.#begin({ base, revision, names: [name], reason: `rollback ${name}`, refuses: false });
  }

  /**
   * Ends what a restart of the init container or of the device interrupted: before its commit the old revision stays in
   * force and its components run again, after it the new one. To be called once, when the supervisor has found again what
   * runs. Never rejects.
   */
  async recover(): Promise<void> {
    const record = this.#unfinished;
    this.#unfinished = undefined;
    if (!record) return;
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
    if (record.boot !== bootId || current !== record.base || changes.length === 0) {
      return run.finishInterrupted('the device was restarted in the middle of it');
    }
    const reason = 'the init container was restarted in the middle of it';
    await run.goBack(record.failure ?? { reason, imagesFault: false });
  }

  #begin(what: {
    base: NumberedRevision;
    revision: Revision;
    names: string[];
    reason: string;
    refuses: boolean;
  }): SwapEvents {
    const { base, revision, names, reason, refuses } = what;
    const changes = changesBetween(base, { ...base, revision }, names);
    const record: SwapRecord = {
      schema: 1,
      boot: this.#options.bootId,
      startedAt: new Date().toISOString(),
      reason,
      base: base.number,
      components: [],
      refuses,
      phase: 'stage',
      events: [],
    };
    this.#description = describe(record);
    const events = new SwapEvents();
    this.#latest = events;
    void this.#carryOut({ base, revision, changes, record }, events);
    return events;
  }

  async #carryOut(
    what: { base: NumberedRevision; revision: Revision; changes: Change[]; record: SwapRecord },
    events: SwapEvents,
  ): Promise<void> {
    try {
      const statuses = await this.#options.supervisor.status();
      const components = what.changes.map(({ name }) => ({
        name,
        ranBefore: isUp(statuses.find((status) => status.name === name)),
      }));
      const run = new SwapRun({ ...what, parts: this.#options, record: { ...what.record, components }, events });
      await run.carryOut();
    } catch (error) {
      const message = `nothing was changed: ${messageOf(error)}`;
      events.publish(eventNow('failed', namesOf(what.changes), message, what.base.number));
    }
  }

  #nothingToDo(component: string, what: string, base: NumberedRevision): SwapEvents {
    const message = component === '' ? `the device already runs what ${what} has` : `${component} already runs ${what}`;
    this.#latest = new SwapEvents([eventNow('done', component, message, base.number)]);
    return this.#latest;
  }

  /** The whole revision to go back to. */
  #target(number: number | undefined): NumberedRevision {
    const { revisions } = this.#options;
    const target = number === undefined ? revisions.previous() : revisions.get(number);
    if (target) return target;
    if (number === undefined)
      throw new SwapError('conflict', 'there is no previous revision to go back to: nothing was swapped yet');
    if (revisions.list().revisions.some((known) => known.number === number))
      throw new SwapError('conflict', `revision ${number} was collected to make room, so it cannot be gone back to`);
    throw new SwapError('unknown', `there is no revision ${number}; "gantry revisions" lists those there are`);
  }

  /** One component as it was in the given revision, or in the newest former one where its image differs. */
  #formerSpec(name: string, spec: ComponentSpec, base: NumberedRevision, number: number | undefined): ComponentSpec {
    if (number !== undefined) return this.#component(this.#target(number), name);
    for (const former of this.#options.revisions.committed().toReversed()) {
      const candidate =
        former < base.number ? this.#options.revisions.get(former)?.revision.components[name] : undefined;
      if (candidate && candidate.image.digest !== spec.image.digest) return candidate;
    }
    throw new SwapError(
      'conflict',
      `${name} has had no other image than ${spec.image.ref} on this device: nothing to go back to`,
    );
  }

  #component(revision: NumberedRevision, name: string): ComponentSpec {
    const { components } = revision.revision;
    const spec = Object.hasOwn(components, name) ? components[name] : undefined;
    if (spec) return spec;
    const similar = nearest(name, Object.keys(components)).join(', ');
    throw new SwapError(
      'unknown',
      `revision ${revision.number} has no component "${name}"; the nearest names are: ${similar}`,
    );
  }

  #expectInBoth(name: string, base: NumberedRevision, target: NumberedRevision): void {
    const [before, after] = [base.revision.components[name], target.revision.components[name]];
    if (!before || !after || before.kind !== after.kind) {
      const why = `revision ${target.number} has other components than revision ${base.number} (${name})`;
      throw new SwapError('unsupported', `${why}, and components cannot be added or removed while the device runs`);
    }
    this.#expectSwappable(name, before);
  }

  #expectSwappable(name: string, { kind }: ComponentSpec): void {
    if (kind === 'kernel' || kind === 'base' || kind === 'init') {
      const works = 'services, onboot and onshutdown components can be';
      throw new SwapError(
        'unsupported',
        `${name} is the device's ${kind}, which cannot be swapped yet; ${works}. Build a new image instead`,
      );
    }
    if (kind === 'onboot' && !this.#options.persistent) {
      const why = `${name} runs only at boot, and this device has no data partition: a swap would be lost before it has an effect`;
      throw new SwapError('conflict', `${why}. Add a partition with the label gantry-data, or build a new image`);
    }
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

function withImage(revision: Revision, name: string, image: ComponentSpec['image']): Revision {
  const spec = revision.components[name];
  return spec ? { ...revision, components: { ...revision.components, [name]: { ...spec, image } } } : revision;
}

import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { configOf } from '../engine/image-config.ts';
import { logPath } from '../engine/paths.ts';
import { lastLines } from '../logs/tail.ts';
import type { NumberedRevision } from '../revisions/types.ts';
import { messageOf } from '../store/errors.ts';
import { ContainerSteps } from './container-steps.ts';
import { probeLimitMs, stableMs, within, workLimitMs } from './deadline.ts';
import { checkDependencies, dependentsOf } from './dependents.ts';
import { isUp, observe } from './observe.ts';
import { comeUpMs, PartSteps } from './part-steps.ts';
import { type Change, howItRuns, namesOf, type SwapParts } from './parts.ts';
import type { Observed, Side, Step } from './planner.ts';
import type { SwapProgress } from './progress.ts';
import { UnstableError, watchStability } from './stability.ts';
import { imagesOf } from './words.ts';

export interface SwapSubject {
  parts: SwapParts;
  progress: SwapProgress;
  base: NumberedRevision;
  /** The revision to reach; its number is in the record's `target` once it is kept. */
  revision: Revision;
  changes: Change[];
  /** How long all must stay healthy, if whoever asked for the swap said it. */
  stable?: string | undefined;
}

/** What one swap sees and does: it observes what is there, and carries out single steps, each noted before it is taken. */
export class SwapSteps {
  readonly #parts: SwapParts;
  readonly #progress: SwapProgress;
  readonly #base: NumberedRevision;
  readonly #revision: Revision;
  readonly #changes: Change[];
  readonly #askedStable: string | undefined;
  readonly #containers: ContainerSteps;
  readonly #partSteps: PartSteps;
  /** Configurations of the new revision with what the images say, once it is staged. */
  #configs = new Map<string, ComponentConfig>();
  #staged = false;
  #stable = false;

  constructor({ parts, progress, base, revision, changes, stable }: SwapSubject) {
    this.#parts = parts;
    this.#progress = progress;
    this.#base = base;
    this.#revision = revision;
    this.#changes = changes;
    this.#askedStable = stable;
    const configOf = (change: Change, side: Side) => this.#configOf(change, side);
    this.#containers = new ContainerSteps({ parts, progress, base, revision, configOf });
    this.#partSteps = new PartSteps(parts, progress);
  }

  /** Milliseconds in which something was away; undefined when nothing was. */
  get downtimeMs(): number | undefined {
    return this.#containers.downtimeMs;
  }

  /** The old side is as it was found: it needs no proof while nobody touches it. */
  trustOld(): void {
    for (const { name } of this.#changes) this.#containers.trust(name, 'old');
  }

  async observe(goal: Side, without: ReadonlySet<string>): Promise<Observed> {
    const { record } = this.#progress;
    const statuses = new Map((await this.#parts.supervisor.status()).map((status) => [status.name, status]));
    const changes = this.#changes.filter(({ name }) => !without.has(name));
    const components = changes.map((change) => {
      const { name } = change;
      const status = statuses.get(name);
      const before = record.components.find((component) => component.name === name);
      const proven = this.#containers.hasProven(name, goal) || this.#partSteps.hasProven(name, goal);
      const config = this.#configOf(change, 'new');
      const known = {
        config,
        ranBefore: before?.ranBefore ?? true,
        wasWell: before?.wasWell ?? true,
        proven,
        prepared: this.#containers.hasPrepared(name),
        copies: this.#containers.mustCopy(change),
        applied: record.applied.findLast(({ component }) => component === name),
      };
      const seen = observe(change, status, known, this.#parts);
      if (seen.runs === 'part' && seen.up === 'old' && goal === 'old' && !known.applied)
        return { ...seen, proven: true };
      if (seen.up === 'nothing' && this.#containers.hasStarted(name, goal) && !isUp(status)) {
        if (proven)
          throw new UnstableError(
            name,
            `${name} was healthy, but has ended since (${status?.detail ?? 'no reason known'})`,
          );
        // It ended at once. The probe knows why.
        return { ...seen, up: goal };
      }
      return seen;
    });
    const committed = record.target !== undefined && this.#parts.revisions.current().number === record.target;
    return { staged: this.#staged, stable: this.#stable, committed, components, watched: this.#watched().all };
  }

  async take(step: Step): Promise<void> {
    switch (step.action) {
      case 'stage':
        return this.#stage();
      case 'prepare':
        return this.#containers.prepare(this.#change(step.component));
      case 'copy':
        return this.#containers.copy(this.#change(step.component));
      case 'stop':
        return this.#containers.stop(this.#change(step.component));
      case 'start':
        return this.#containers.start(this.#change(step.component), step.side);
      case 'start-beside':
        return this.#containers.startBeside(this.#change(step.component));
      case 'settle':
        return this.#containers.settle(this.#change(step.component), step.keep);
      case 'probe':
        return this.#containers.probe(this.#change(step.component), step.side);
      case 'apply':
        return this.#partSteps.apply(this.#change(step.component), step.side);
      case 'restart':
        return this.#partSteps.restart(step.effect);
      case 'verify':
        return this.#partSteps.verify(this.#change(step.component), step.side);
      case 'stable':
        return this.#watch();
      case 'commit':
        return this.#commit();
    }
  }

  async #stage(): Promise<void> {
    // In a later process of the same swap it is there already, and something has been touched since.
    const kept = this.#progress.record.target !== undefined;
    const words = `checking that ${imagesOf(this.#changes, 'new')} is complete on this device`;
    if (!kept) await this.#progress.announce('stage', words);
    await within(workLimitMs, 'checking the images', this.#check());
    if (!kept) {
      const { number } = await this.#parts.revisions.append(this.#revision, this.#progress.record.reason);
      this.#progress.note({ target: number });
    }
    this.#staged = true;
  }

  async #check(): Promise<void> {
    const configs = new Map<string, ComponentConfig>();
    for (const [name, spec] of Object.entries(this.#revision.components)) {
      const changed = this.#changes.some((change) => change.name === name);
      // A fault of something else, which nobody wants to touch now, is no reason against this.
      const image = this.#parts.images.get(spec.image.digest).then((stored) => configOf(spec, stored));
      configs.set(name, await (changed ? image : image.catch(() => spec.config)));
    }
    checkDependencies(
      this.#changes.map(({ name }) => name),
      configs,
    );
    const options = { fresh: this.#progress.record.refuses };
    await this.#parts.volumes.mustFit(this.#base.revision, this.#revision, options);
    this.#configs = configs;
  }

  async #watch(): Promise<void> {
    const { swapped, others, all } = this.#watched();
    const configs = all.map((name) => this.#configs.get(name) ?? {});
    const changed = this.#changes.map((change) => this.#configOf(change, 'new'));
    const window = stableMs(changed, this.#askedStable);
    const words = `${all.join(', ')} must stay healthy for ${window / 1000} s`;
    await this.#progress.announce('stable', words);
    try {
      await watchStability({
        supervisor: this.#parts.supervisor,
        swapped,
        others,
        stableMs: window,
        recoverMs: Math.max(comeUpMs, ...configs.map(probeLimitMs)),
      });
    } catch (error) {
      if (!(error instanceof UnstableError)) throw error;
      const lines = await lastLines(logPath(error.component), 3, this.#progress.record.startedAt);
      const words = lines.length === 0 ? '' : `; its last words: ${lines.join(' | ')}`;
      throw new UnstableError(error.component, `${messageOf(error)}${words}`);
    }
    this.#stable = true;
  }

  async #commit(): Promise<void> {
    const { target } = this.#progress.record;
    if (target === undefined) throw new Error('the new revision was not kept');
    await this.#progress.announce('commit', `putting revision ${target} in force`);
    await this.#partSteps.confirm(this.#changes);
    await this.#parts.revisions.commit(target);
    await this.keepNew();
  }

  /** The new revision is in force. Never rejects: nothing can be taken back any more. */
  async keepNew(): Promise<void> {
    const { supervisor, log } = this.#parts;
    for (const { name, old, new: spec } of this.#changes) {
      supervisor.setSpec(name, spec);
      if (howItRuns(old.kind) !== 'live') continue;
      await supervisor.keepForSwap(name).catch((error: unknown) => log(`${name}: ${messageOf(error)}`));
    }
  }

  /** What was swapped, and what else must not suffer from it: all that were well and depend on it. */
  #watched(): { swapped: string[]; others: string[]; all: string[] } {
    const names = this.#changes.map(({ name }) => name);
    const swapped = this.#changes.filter(({ old }) => howItRuns(old.kind) === 'live').map(({ name }) => name);
    // What restarts or reboots the device concerns everything.
    const parts = this.#changes.some(({ old }) => howItRuns(old.kind) === 'part');
    const { well } = this.#progress.record;
    const concerned = parts ? well : dependentsOf(names, this.#configs).filter((name) => well.includes(name));
    const others = concerned.filter((name) => !names.includes(name));
    return { swapped, others, all: [...swapped, ...others] };
  }

  #configOf(change: Change, side: Side): ComponentConfig {
    return (side === 'new' && this.#configs.get(change.name)) || change[side].config;
  }

  #change(name: string): Change {
    const change = this.#changes.find((known) => known.name === name);
    if (!change) throw new Error(`${name} is not part of this swap (${namesOf(this.#changes)})`);
    return change;
  }
}

import type { EventEmitter } from 'node:events';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import type { Engine } from '../engine/engine.ts';
import { specKey } from '../engine/record.ts';
import { journal } from '../native/journal.ts';
import { reconcile } from './adoption.ts';
import type { Component } from './component.ts';
import type { EventLog } from './event-log.ts';
import type { Roster } from './roster.ts';
import { waitUntilHealthy } from './wait-healthy.ts';

export interface SwappingOptions {
  engine: Engine;
  roster: Roster;
  events: EventLog;
  changes: EventEmitter<{ changed: [string] }>;
}

/** The supervisor's hands for swaps: the steps by which one container takes another one's place. See `Supervisor`. */
export class Swapping {
  readonly #engine: Engine;
  readonly #roster: Roster;
  readonly #events: EventLog;
  readonly #changes: SwappingOptions['changes'];
  /** Started by a swap, and not found healthy yet. */
  readonly #onTrial = new Set<string>();
  /** Pairs that the last process left and no swap has asked about since. */
  readonly #leftPairs = new Set<string>();

  constructor({ engine, roster, events, changes }: SwappingOptions) {
    this.#engine = engine;
    this.#roster = roster;
    this.#events = events;
    this.#changes = changes;
  }

  /** What fails on trial is taken back by the swap that started it. */
  isOnTrial(name: string): boolean {
    return this.#onTrial.has(name);
  }

  /** The last process left two containers of these components. */
  noteLeftPairs(names: readonly string[]): void {
    for (const name of names) this.#leftPairs.add(name);
  }

  async stop(component: Component): Promise<void> {
    await component.stop('swap');
    if (!component.spec) this.#roster.forget(component);
  }

  async start(component: Component): Promise<void> {
    this.#onTrial.add(component.name);
    await component.startAnew(() => this.keepSockets());
  }

  async prepare(component: Component, spec: ComponentSpec): Promise<void> {
    await component.succession.prepare(spec);
  }

  async startBeside(component: Component): Promise<void> {
    const { name } = component;
    const spec = this.#roster.saidSpec(name);
    if (!spec) throw new Error(`${name} is not part of the current revision: there is nothing to start`);
    if (this.#roster.beside(name)) throw new Error(`${name} has two containers already; one of them must end first`);
    const spare = await component.succession.spareInstance();
    this.#onTrial.add(name);
    component.spec = component.record?.spec ?? component.spec;
    const beside = this.#roster.addBeside(name, spare, spec);
    try {
      await beside.startBeside();
    } catch (error) {
      await this.#endBeside(beside);
      throw error;
    }
  }

  async settle(component: Component, keep: 'old' | 'new'): Promise<void> {
    const { name } = component;
    this.#leftPairs.delete(name);
    const beside = this.#roster.beside(name);
    if (!beside) return component.succession.dropPrepared();
    if (keep === 'old') return this.#endBeside(beside);
    await component.succeedBy(beside);
    this.#roster.removeBeside(name);
    this.#events.record(component, 'rename', { oldName: `/${name}.new` });
    await this.keepSockets();
  }

  async waitHealthy(component: Component, signal: AbortSignal): Promise<void> {
    await waitUntilHealthy(this.#roster.beside(component.name) ?? component, this.#changes, signal);
    this.#onTrial.delete(component.name);
  }

  /** See `ContainerSupervisor.settleLeftPairs`. */
  async settleLeftPairs(): Promise<void> {
    for (const name of [...this.#leftPairs]) {
      const component = this.#roster.get(name);
      if (!component) continue;
      const wanted = this.#roster.saidSpec(name);
      const isNew = wanted !== undefined && this.#roster.beside(name)?.record?.specKey === specKey(wanted);
      journal(`${name}: two containers run; keeping the ${isNew ? 'new' : 'old'} one`);
      await this.settle(component, isNew ? 'new' : 'old');
      component.spec = wanted;
      await reconcile(this.#roster, component);
    }
  }

  /** A socket stays open while a component lists it that is there or is to be started. */
  async keepSockets(): Promise<void> {
    if (!this.#engine.holdsSockets) return;
    const listed = this.#roster.all().map((component): ComponentConfig | Promise<ComponentConfig> => {
      if (component.record) return component.record.config;
      return component.spec ? this.#engine.configFor(component.spec).catch(() => component.config) : {};
    });
    await this.#engine.keepSockets(await Promise.all(listed));
  }

  async #endBeside(beside: Component): Promise<void> {
    await beside.stop('swap');
    await beside.remove();
    this.#roster.removeBeside(beside.name);
    await this.keepSockets();
  }
}

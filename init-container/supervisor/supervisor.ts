import { EventEmitter } from 'node:events';
import type { ComponentStatus } from '../../src/shared/api/types.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import type { Engine } from '../engine/engine.ts';
import { adoptAll, recogniseLeft, reconcile } from './adoption.ts';
import { Component } from './component.ts';
import type { ComponentView } from './component-view.ts';
import { ContainerWatch } from './container-watch.ts';
import { UnknownComponentError } from './errors.ts';
import { EventLog } from './event-log.ts';
import type { Fleet, Halt } from './fleet.ts';
import { shutDown, startUp } from './order.ts';
import { Roster } from './roster.ts';
import { statusOf, statusOfPart } from './status.ts';
import type { StoppedByHand } from './stopped-by-hand.ts';
import { Swapping } from './swapping.ts';
import type { StopOptions, Supervisor } from './types.ts';

export interface SupervisorOptions {
  /** Restarts the device in order, because a component's definition says so. */
  reboot(reason: string): void;
  /** The boot stops until a person has done something; undefined: it goes on. */
  halted(halt: Halt | undefined): void;
  /** What people stopped in the boots before. */
  stopped: StoppedByHand;
}

/** Supervises all system containers of the current revision. See `Supervisor` for what the others may rely on. */
export class ContainerSupervisor implements Supervisor {
  readonly events: EventLog;
  /** `changed` with a component's name: its state is worth looking at again. */
  readonly changes = new EventEmitter<{ changed: [string] }>().setMaxListeners(0);
  readonly #engine: Engine;
  readonly #options: SupervisorOptions;
  readonly #roster: Roster;
  readonly #swapping: Swapping;
  readonly #fleet: Fleet;
  readonly #watch: ContainerWatch;
  #shuttingDown = false;
  #halted: string | undefined;
  /** Before it is known what runs, nobody may start or stop anything. */
  readonly #adopted = Promise.withResolvers<void>();

  constructor(engine: Engine, options: SupervisorOptions) {
    this.#engine = engine;
    this.#options = options;
    this.events = new EventLog();
    this.#roster = new Roster((name, instance) => this.#make(name, instance));
    this.#swapping = new Swapping({ engine, roster: this.#roster, events: this.events, changes: this.changes });
    this.#watch = new ContainerWatch(this.#roster);
    this.#fleet = {
      component: (name) => this.#roster.get(name),
      ofKind: (kind) => this.components().filter((c) => c.kind === kind && c.spec !== undefined),
      changes: this.changes,
      shuttingDown: () => this.#shuttingDown,
      stopped: options.stopped,
      reboot: options.reboot,
      halted: (halt) => {
        this.#halted = halt?.component.name;
        options.halted(halt);
      },
      configOf: ({ spec }) => (spec ? engine.configFor(spec) : Promise.resolve({})),
    };
  }

  setSpec(name: string, spec: ComponentSpec): void {
    this.#roster.setSpec(name, spec);
    this.changes.emit('changed', name);
  }

  removeSpec(name: string): void {
    this.#roster.removeSpec(name);
    void this.#options.stopped.forget(name);
  }

  /** All system containers, in the order of the OS definition. */
  components(): Component[] {
    return this.#roster.components();
  }

  /** All containers: while one comes up beside another, both. */
  instances(): Component[] {
    return this.#roster.instances();
  }

  /** A component that is no system container: the kernel, the init container, files of the root image. */
  part(name: string): ComponentSpec | undefined {
    return this.#roster.part(name);
  }

  /** By name, `/name`, Docker id or a unique beginning of one (at least one digit). Throws `UnknownComponentError`. */
  find(reference: string): Component {
    return this.#roster.find(reference);
  }

  status(): Promise<ComponentStatus[]> {
    const parts = this.#roster.parts().map(([name, spec]) => statusOfPart(name, spec));
    const containers = this.components().map((one) => statusOf(this.#roster.beside(one.name) ?? one));
    return Promise.all([...parts, ...containers]);
  }

  async start(name: string): Promise<void> {
    const component = await this.#container(name);
    component.setWish('run');
    await this.#options.stopped.forget(name);
    await component.start();
  }

  async stop(name: string, options?: StopOptions): Promise<void> {
    const component = await this.#container(name);
    component.setWish('stop');
    await this.#options.stopped.remember(name);
    await component.stop('person', options);
  }

  async restart(name: string, options?: StopOptions): Promise<void> {
    const component = await this.#container(name);
    component.setWish('run');
    await this.#options.stopped.forget(name);
    await component.restart('restart', options);
    this.events.record(component, 'restart');
  }

  /** Docker's kill: with SIGKILL or the stop signal the container then stays stopped. False when it does not run. */
  async kill(name: string, signal: NodeJS.Signals): Promise<boolean> {
    const component = await this.#container(name);
    if (!component.running) return false;
    if (signal === 'SIGKILL' || signal === component.stopSignal) {
      component.setWish('stop');
      await this.#options.stopped.remember(name);
    }
    this.events.record(component, 'kill', { signal });
    return component.signal(signal);
  }

  async stopForSwap(name: string): Promise<void> {
    await this.#swapping.stop(await this.#container(name));
  }

  async startForSwap(name: string): Promise<void> {
    await this.#swapping.start(await this.#container(name));
  }

  async prepareForSwap(name: string, spec: ComponentSpec): Promise<void> {
    await this.#swapping.prepare(await this.#container(name), spec);
  }

  async startBesideForSwap(name: string): Promise<void> {
    await this.#swapping.startBeside(await this.#container(name));
  }

  async settleForSwap(name: string, keep: 'old' | 'new'): Promise<void> {
    await this.#swapping.settle(await this.#container(name), keep);
  }

  async keepForSwap(name: string): Promise<void> {
    const { state } = await this.#container(name);
    if (state.wish === 'stop') await this.start(name);
  }

  async waitHealthy(name: string, signal: AbortSignal): Promise<void> {
    await this.#swapping.waitHealthy(await this.#container(name), signal);
  }

  /**
   * Ends one of two containers where the last process left two and no swap has decided since: the one that is not as the
   * current revision says. To be called once, after a swap that was under way has been ended.
   */
  settleLeftPairs(): Promise<void> {
    return this.#swapping.settleLeftPairs();
  }

  /** Finds again what runs, without touching it, and replaces or removes what is not as the revision says. */
  async adopt(): Promise<void> {
    await this.#engine.open();
    this.#swapping.noteLeftPairs(await recogniseLeft(this.#roster, this.#engine));
    this.#watch.start();
    await adoptAll(this.#roster);
    const single = this.components().filter(({ name }) => !this.#roster.beside(name));
    await Promise.all(single.map((component) => reconcile(this.#roster, component)));
    await this.#swapping.keepSockets();
    this.#adopted.resolve();
  }

  /**
   * Starts what should run and does not: onboot components one after the other, then services along their dependencies.
   * Resolves when the onboot components have ended. `adopt` comes first.
   */
  boot(): Promise<void> {
    return startUp(this.#fleet);
  }

  /** The component at which the boot has stopped. */
  get haltedAt(): string | undefined {
    return this.#halted;
  }

  /** The boot goes on without the component at which it has stopped. False when it has not stopped. */
  goOn(): boolean {
    const component = this.#halted === undefined ? undefined : this.#roster.get(this.#halted);
    component?.excuse();
    return component !== undefined;
  }

  get isShuttingDown(): boolean {
    return this.#shuttingDown;
  }

  /** Milliseconds since the supervisor last looked at every container. */
  get sinceCheckMs(): number {
    return this.#watch.sinceCheckMs;
  }

  /** For power-off: runs the onshutdown components in order, then stops all services, dependents first. */
  async shutDown(): Promise<void> {
    this.#shuttingDown = true;
    for (const component of this.#roster.all()) component.waiting.cancel();
    const besides = this.#roster.all().filter(({ beside }) => beside);
    await Promise.allSettled([...besides.map((one) => one.stop('shutdown')), shutDown(this.#fleet)]);
  }

  /** Stops watching; containers go on running. */
  close(): void {
    this.#watch.close();
    for (const component of this.#roster.all()) component.close();
  }

  async #container(name: string): Promise<Component> {
    await this.#adopted.promise;
    const component = this.#roster.get(name);
    if (component) return component;
    const part = this.#roster.part(name);
    if (part) throw new Error(`${name} is the device's ${part.kind}: it cannot be started or stopped, only swapped`);
    throw new UnknownComponentError(name);
  }

  #make(name: string, instance?: string): Component {
    const hooks = {
      event: (subject: ComponentView, action: string, attributes?: Record<string, string>) =>
        this.events.record(subject, action, attributes),
      changed: (subject: ComponentView) => void this.changes.emit('changed', subject.name),
      gaveUp: (subject: ComponentView) => {
        if (this.#swapping.isOnTrial(subject.name)) return;
        if (this.#shuttingDown || subject.kind !== 'service' || subject.onFailure !== 'reboot') return;
        this.#options.reboot(`${subject.name} has ${subject.reason}`);
      },
    };
    return new Component(name, this.#engine, hooks, instance);
  }
}

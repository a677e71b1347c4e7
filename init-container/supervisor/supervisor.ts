import { EventEmitter } from 'node:events';
import type { FSWatcher } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { ComponentStatus } from '../../src/shared/api/types.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { type ComponentSpec, componentKinds } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { Engine } from '../engine/engine.ts';
import { watchExits } from '../engine/exits.ts';
import { componentOf, instancesOf } from '../engine/paths.ts';
import { loadRecord, loadState, specKey } from '../engine/record.ts';
import { monotonicMs } from '../native/clock.ts';
import { journal } from '../native/journal.ts';
import { Component } from './component.ts';
import { EventLog } from './event-log.ts';
import type { Fleet, Halt } from './fleet.ts';
import { sortInstances } from './instances.ts';
import { shutDown, startUp } from './order.ts';
import { statusOf, statusOfPart } from './status.ts';
import type { StoppedByHand } from './stopped-by-hand.ts';
import type { StopOptions, Supervisor } from './types.ts';
import { waitUntilHealthy } from './wait-healthy.ts';

/** Kinds that run as containers. */
const containerKinds = new Set(['onboot', 'service', 'onshutdown']);

/** Exits are seen at once through their files; this finds what leaves none, such as a conmon that was killed. */
const checkIntervalMs = 15_000;

/** Thrown for names that no component has; the API answers 404. */
export class UnknownComponentError extends Error {
  constructor(name: string) {
    super(`No such container: ${name}`);
    this.name = 'UnknownComponentError';
  }
}

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
  /** The container in force of each component. */
  readonly #components = new Map<string, Component>();
  /** Those that came up beside one in force, by the same names. */
  readonly #beside = new Map<string, Component>();
  /** What `setSpec` said last. */
  readonly #said = new Map<string, ComponentSpec>();
  /** Pairs that the last process left and no swap has asked about since. */
  readonly #leftPairs = new Set<string>();
  /** Kernel, base and init: known, but not ours to start. */
  readonly #parts = new Map<string, ComponentSpec>();
  #watcher: FSWatcher | undefined;
  #checks: NodeJS.Timeout | undefined;
  #shuttingDown = false;
  readonly #options: SupervisorOptions;
  #halted: string | undefined;
  /** Started by a swap, and not found healthy yet. */
  readonly #onTrial = new Set<string>();
  /** When the slow check last went through, in milliseconds since the device's boot. */
  #checkedAtMs = monotonicMs();
  /** Before it is known what runs, nobody may start or stop anything. */
  readonly #adopted = Promise.withResolvers<void>();

  readonly #fleet: Fleet;

  constructor(engine: Engine, options: SupervisorOptions) {
    this.#engine = engine;
    this.#options = options;
    this.events = new EventLog();
    this.#fleet = {
      component: (name) => this.#components.get(name),
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
    if (!containerKinds.has(spec.kind)) {
      this.#parts.set(name, spec);
      return;
    }
    this.#said.set(name, spec);
    const component = this.#ensure(name);
    component.dropPrepared(spec);
    // Of two containers each goes on with what it was made from.
    if (!this.#beside.has(name)) component.spec = spec;
    this.changes.emit('changed', name);
  }

  removeSpec(name: string): void {
    this.#parts.delete(name);
    this.#said.delete(name);
    const component = this.#components.get(name);
    if (!component) return;
    component.spec = undefined;
    component.cancelWaiting();
    if (!component.running) this.#forget(component);
    void this.#options.stopped.forget(name);
  }

  /** All system containers, in the order of the OS definition. */
  components(): Component[] {
    return [...this.#components.values()]
      .filter((component) => component.spec !== undefined || component.record !== undefined)
      .sort((a, b) => rank(a.kind, a.spec?.order) - rank(b.kind, b.spec?.order) || (a.name < b.name ? -1 : 1));
  }

  /** A component that is no system container: the kernel, the init container, files of the root image. */
  part(name: string): ComponentSpec | undefined {
    return this.#parts.get(name);
  }

  /** All containers: while one comes up beside another, both. */
  instances(): Component[] {
    return this.components().flatMap((component) => {
      const beside = this.#beside.get(component.name);
      return beside ? [component, beside] : [component];
    });
  }

  /** By name, `/name`, Docker id or a unique beginning of one (at least one digit). Throws `UnknownComponentError`. */
  find(reference: string): Component {
    const name = reference.replace(/^\/+/, '');
    const named = this.#components.get(name);
    if (named && (named.spec || named.record)) return named;
    const matches = this.instances().filter(
      ({ id, containerName }) => containerName === name || (/^[0-9a-f]+$/.test(name) && id.startsWith(name)),
    );
    const [only] = matches;
    if (!only || matches.length > 1) throw new UnknownComponentError(reference);
    return only;
  }

  async status(): Promise<ComponentStatus[]> {
    const parts = [...this.#parts]
      .sort(([, a], [, b]) => rank(a.kind, a.order) - rank(b.kind, b.order))
      .map(([name, spec]) => statusOfPart(name, spec));
    return Promise.all([...parts, ...this.components().map((one) => statusOf(this.#beside.get(one.name) ?? one))]);
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
    const component = await this.#container(name);
    await component.stop('swap');
    if (!component.spec) this.#forget(component);
  }

  async startForSwap(name: string): Promise<void> {
    const component = await this.#container(name);
    this.#onTrial.add(name);
    await component.startAnew(() => this.#keepSockets());
  }

  async prepareForSwap(name: string, spec: ComponentSpec): Promise<void> {
    await (await this.#container(name)).prepare(spec);
  }

  async startBesideForSwap(name: string): Promise<void> {
    const component = await this.#container(name);
    const spec = this.#said.get(name);
    if (!spec) throw new Error(`${name} is not part of the current revision: there is nothing to start`);
    if (this.#beside.has(name)) throw new Error(`${name} has two containers already; one of them must end first`);
    const beside = this.#make(name, await component.spareInstance());
    beside.spec = spec;
    this.#onTrial.add(name);
    component.spec = component.record?.spec ?? component.spec;
    this.#beside.set(name, beside);
    try {
      await beside.startBeside();
    } catch (error) {
      await this.#endBeside(name, beside);
      throw error;
    }
  }

  async settleForSwap(name: string, keep: 'old' | 'new'): Promise<void> {
    const component = await this.#container(name);
    this.#leftPairs.delete(name);
    const beside = this.#beside.get(name);
    if (!beside) return component.dropPrepared();
    if (keep === 'old') return this.#endBeside(name, beside);
    await component.succeedBy(beside);
    this.#beside.delete(name);
    this.events.record(component, 'rename', { oldName: `/${name}.new` });
    await this.#keepSockets();
  }

  async waitHealthy(name: string, signal: AbortSignal): Promise<void> {
    const component = await this.#container(name);
    await waitUntilHealthy(this.#beside.get(name) ?? component, this.changes, signal);
    this.#onTrial.delete(name);
  }

  /**
   * Ends one of two containers where the last process left two and no swap has decided since: the one that is not as the
   * current revision says. To be called once, after a swap that was under way has been ended.
   */
  async settleLeftPairs(): Promise<void> {
    for (const name of [...this.#leftPairs]) {
      const wanted = this.#said.get(name);
      const isNew = wanted !== undefined && this.#beside.get(name)?.record?.specKey === specKey(wanted);
      journal(`${name}: two containers run; keeping the ${isNew ? 'new' : 'old'} one`);
      await this.settleForSwap(name, isNew ? 'new' : 'old');
      const component = this.#components.get(name);
      if (!component) continue;
      component.spec = wanted;
      await this.#reconcile(component);
    }
  }

  /** Finds again what runs, without touching it, and replaces or removes what is not as the revision says. */
  async adopt(): Promise<void> {
    await this.#engine.open();
    const left = await readdir(devicePaths.containers, { withFileTypes: true });
    await this.#recognise(left.filter((entry) => entry.isDirectory()).map(({ name }) => name));
    this.#watcher = watchExits((instance) =>
      this.#all()
        .find((one) => one.instance === instance)
        ?.noticeExit(),
    );
    this.#checks = setInterval(() => void this.#checkAll(), checkIntervalMs);
    const adopt = (component: Component) =>
      component.adopt().catch((error: Error) => journal(`${component.name}: cannot be adopted: ${error.message}`));
    await Promise.all(this.#all().map(adopt));
    const adopted = this.instances().filter((component) => component.running);
    if (adopted.length > 0)
      journal(`found running: ${adopted.map(({ name, state }) => `${name} (PID ${state.process?.pid})`).join(', ')}`);
    const single = this.components().filter(({ name }) => !this.#beside.has(name));
    await Promise.all(single.map((component) => this.#reconcile(component)));
    await this.#keepSockets();
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
    const component = this.#halted === undefined ? undefined : this.#components.get(this.#halted);
    component?.excuse();
    return component !== undefined;
  }

  get isShuttingDown(): boolean {
    return this.#shuttingDown;
  }

  /** Milliseconds since the supervisor last looked at every container. */
  get sinceCheckMs(): number {
    return monotonicMs() - this.#checkedAtMs;
  }

  /** For power-off: runs the onshutdown components in order, then stops all services, dependents first. */
  async shutDown(): Promise<void> {
    this.#shuttingDown = true;
    for (const component of this.#all()) component.cancelWaiting();
    const besides = [...this.#beside.values()].map((component) => component.stop('shutdown'));
    await Promise.allSettled([...besides, shutDown(this.#fleet)]);
  }

  /** Stops watching; containers go on running. */
  close(): void {
    this.#watcher?.close();
    clearInterval(this.#checks);
    for (const component of this.#all()) component.close();
  }

  /** What the last process left running may be neither wanted nor what the revision says. */
  async #reconcile(component: Component): Promise<void> {
    if (component.spec === undefined) {
      journal(`${component.name}: not part of the current revision; removing it`);
      await component.stop('swap');
      this.#forget(component);
    } else if (
      component.running &&
      !component.current &&
      component.kind === 'service' &&
      component.state.wish === 'run'
    ) {
      journal(`${component.name}: runs another image or configuration than the current revision says; replacing it`);
      await component.startAnew().catch(() => undefined);
    }
  }

  async #checkAll(): Promise<void> {
    for (const component of this.#all()) {
      await component.checkProcess().catch((error: Error) => journal(`${component.name}: ${error.message}`));
    }
    this.#checkedAtMs = monotonicMs();
  }

  async #container(name: string): Promise<Component> {
    await this.#adopted.promise;
    const component = this.#components.get(name);
    if (component) return component;
    const part = this.#parts.get(name);
    if (part) throw new Error(`${name} is the device's ${part.kind}: it cannot be started or stopped, only swapped`);
    throw new UnknownComponentError(name);
  }

  /** From the folders of containers that the last process left: which are in force, and which are of no use any more. */
  async #recognise(folders: string[]): Promise<void> {
    for (const name of new Set(folders.map(componentOf))) {
      const found = instancesOf(name)
        .filter((instance) => folders.includes(instance))
        .map((instance) => ({ instance, state: loadState(instance), record: loadRecord(instance) }));
      const sorted = sortInstances(found);
      if (!sorted) continue;
      for (const instance of sorted.stale) await this.#engine.forget(instance);
      const component = this.#ensure(name);
      component.standFor(sorted.inForce, { beside: false });
      if (sorted.beside === undefined) continue;
      const beside = this.#make(name, sorted.beside);
      beside.spec = beside.record?.spec;
      component.spec = component.record?.spec ?? component.spec;
      this.#beside.set(name, beside);
      this.#leftPairs.add(name);
    }
  }

  async #endBeside(name: string, beside: Component): Promise<void> {
    await beside.stop('swap');
    await beside.remove();
    this.#beside.delete(name);
    await this.#keepSockets();
  }

  /** A socket stays open while a component lists it that is there or is to be started. */
  async #keepSockets(): Promise<void> {
    if (!this.#engine.holdsSockets) return;
    const listed = this.#all().map((component): ComponentConfig | Promise<ComponentConfig> => {
      if (component.record) return component.record.config;
      return component.spec ? this.#engine.configFor(component.spec).catch(() => component.config) : {};
    });
    await this.#engine.keepSockets(await Promise.all(listed));
  }

  #all(): Component[] {
    return [...this.#components.values(), ...this.#beside.values()];
  }

  #ensure(name: string): Component {
    const existing = this.#components.get(name);
    if (existing) return existing;
    const component = this.#make(name);
    this.#components.set(name, component);
    return component;
  }

  #make(name: string, instance?: string): Component {
    const hooks = {
      event: (subject: Component, action: string, attributes?: Record<string, string>) =>
        this.events.record(subject, action, attributes),
      changed: (subject: Component) => void this.changes.emit('changed', subject.name),
      gaveUp: (subject: Component) => {
        // What fails in a swap is taken back by it.
        if (this.#onTrial.has(subject.name)) return;
        if (this.#shuttingDown || subject.kind !== 'service' || subject.onFailure !== 'reboot') return;
        this.#options.reboot(`${subject.name} has ${subject.reason}`);
      },
    };
    return new Component(name, this.#engine, hooks, instance);
  }

  #forget(component: Component): void {
    component
      .remove()
      .then(() => {
        if (!component.spec) this.#components.delete(component.name);
      })
      .catch((error: Error) => journal(`${component.name}: cannot be removed: ${error.message}`));
  }
}

const rank = (kind: ComponentSpec['kind'], order = 0) => componentKinds.indexOf(kind) * 10_000 + order;

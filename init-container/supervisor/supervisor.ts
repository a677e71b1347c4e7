import { EventEmitter } from 'node:events';
import type { FSWatcher } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { ComponentStatus } from '../../src/shared/api/types.ts';
import { type ComponentSpec, componentKinds } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { Engine } from '../engine/engine.ts';
import { watchExits } from '../engine/exits.ts';
import { journal } from '../native/journal.ts';
import { Component } from './component.ts';
import { type Condition, dependenciesOf, dependentsFirst, inCycle } from './dependencies.ts';
import { EventLog } from './event-log.ts';
import { statusOf, statusOfPart } from './status.ts';
import type { StopOptions, Supervisor } from './types.ts';
import { waitUntilHealthy } from './wait-healthy.ts';

/** Kinds that run as containers. */
const containerKinds = new Set(['onboot', 'service', 'onshutdown']);

/** Exits are seen at once through their files; this finds what leaves none, such as a conmon that was killed. */
const checkIntervalMs = 15_000;

/** Longest time one onshutdown component may hold up the power switch. */
const onShutdownMs = 30_000;

/** Thrown for names that no component has; the API answers 404. */
export class UnknownComponentError extends Error {
  constructor(name: string) {
    super(`No such container: ${name}`);
    this.name = 'UnknownComponentError';
  }
}

/** Supervises all system containers of the current revision. See `Supervisor` for what the others may rely on. */
export class ContainerSupervisor implements Supervisor {
  readonly events: EventLog;
  /** `changed` with a component's name: its state is worth looking at again. */
  readonly changes = new EventEmitter<{ changed: [string] }>().setMaxListeners(0);
  readonly #engine: Engine;
  readonly #components = new Map<string, Component>();
  /** Kernel, base and init: known, but not ours to start. */
  readonly #parts = new Map<string, ComponentSpec>();
  #watcher: FSWatcher | undefined;
  #checks: NodeJS.Timeout | undefined;
  #shuttingDown = false;
  /** Before it is known what runs, nobody may start or stop anything. */
  readonly #adopted = Promise.withResolvers<void>();

  constructor(engine: Engine) {
    this.#engine = engine;
    this.events = new EventLog();
  }

  setSpec(name: string, spec: ComponentSpec): void {
    if (!containerKinds.has(spec.kind)) {
      this.#parts.set(name, spec);
      return;
    }
    this.#ensure(name).spec = spec;
  }

  removeSpec(name: string): void {
    this.#parts.delete(name);
    const component = this.#components.get(name);
    if (!component) return;
    component.spec = undefined;
    component.cancelWaiting();
    if (!component.running) this.#forget(component);
  }

  /** All system containers, in the order of the OS definition. */
  components(): Component[] {
    return [...this.#components.values()]
      .filter((component) => component.spec !== undefined || component.record !== undefined)
      .sort((a, b) => rank(a.kind, a.spec?.order) - rank(b.kind, b.spec?.order) || (a.name < b.name ? -1 : 1));
  }

  /** By name, `/name`, Docker id or a unique beginning of one (at least one digit). Throws `UnknownComponentError`. */
  find(reference: string): Component {
    const name = reference.replace(/^\/+/, '');
    const named = this.#components.get(name);
    if (named && (named.spec || named.record)) return named;
    const matches = /^[0-9a-f]+$/.test(name) ? this.components().filter(({ id }) => id.startsWith(name)) : [];
    const [only] = matches;
    if (!only || matches.length > 1) throw new UnknownComponentError(reference);
    return only;
  }

  async status(): Promise<ComponentStatus[]> {
    const parts = [...this.#parts]
      .sort(([, a], [, b]) => rank(a.kind, a.order) - rank(b.kind, b.order))
      .map(([name, spec]) => statusOfPart(name, spec));
    return Promise.all([...parts, ...this.components().map(statusOf)]);
  }

  async start(name: string): Promise<void> {
    const component = await this.#container(name);
    component.setWish('run');
    await component.start();
  }

  async stop(name: string, options?: StopOptions): Promise<void> {
    const component = await this.#container(name);
    component.setWish('stop');
    await component.stop('person', options);
  }

  async restart(name: string, options?: StopOptions): Promise<void> {
    const component = await this.#container(name);
    component.setWish('run');
    await component.restart('restart', options);
    this.events.record(component, 'restart');
  }

  /** Docker's kill: with SIGKILL or the stop signal the container then stays stopped. False when it does not run. */
  async kill(name: string, signal: NodeJS.Signals): Promise<boolean> {
    const component = await this.#container(name);
    if (!component.running) return false;
    if (signal === 'SIGKILL' || signal === component.stopSignal) component.setWish('stop');
    this.events.record(component, 'kill', { signal });
    return component.signal(signal);
  }

  async stopForSwap(name: string): Promise<void> {
    const component = await this.#container(name);
    await component.stop('swap');
    if (!component.spec) this.#forget(component);
  }

  async startForSwap(name: string): Promise<void> {
    await (await this.#container(name)).startAnew();
  }

  async waitHealthy(name: string, signal: AbortSignal): Promise<void> {
    await waitUntilHealthy(await this.#container(name), this.changes, signal);
  }

  /** Finds again what runs, without touching it, and replaces or removes what is not as the revision says. */
  async adopt(): Promise<void> {
    await this.#engine.prepare();
    const left = await readdir(devicePaths.containers, { withFileTypes: true });
    for (const entry of left) if (entry.isDirectory()) this.#ensure(entry.name);
    this.#watcher = watchExits((name) => this.#components.get(name)?.noticeExit());
    this.#checks = setInterval(() => void this.#checkAll(), checkIntervalMs);
    await Promise.all([...this.#components.values()].map((component) => component.adopt()));
    const adopted = this.components().filter((component) => component.running);
    if (adopted.length > 0) journal(`found running: ${adopted.map(({ name, state }) => `${name} (PID ${state.process?.pid})`).join(', ')}`);
    await Promise.all(this.components().map((component) => this.#reconcile(component)));
    this.#adopted.resolve();
  }

  /**
   * Starts what should run and does not: onboot components one after the other, then services along their dependencies.
   * Resolves when the onboot components have ended. `adopt` comes first.
   */
  async boot(): Promise<void> {
    for (const component of this.#ofKind('onboot')) await this.#runOnce(component);
    const services = this.#ofKind('service');
    const cycle = inCycle(new Map(services.map((s) => [s.name, dependenciesOf(s.config)])));
    for (const service of services) {
      if (cycle.has(service.name)) journal(`${service.name}: depends_on leads back to itself; starting without waiting`);
      void this.#bringUp(service, cycle.has(service.name));
    }
  }

  /** Stops watching; containers go on running. */
  close(): void {
    this.#watcher?.close();
    clearInterval(this.#checks);
    for (const component of this.#components.values()) {
      component.cancelWaiting();
      component.monitor?.stop();
    }
  }

  /** For power-off: runs the onshutdown components in order, then stops all services, dependents first. */
  async shutDown(): Promise<void> {
    this.#shuttingDown = true;
    for (const component of this.#components.values()) component.cancelWaiting();
    for (const component of this.#ofKind('onshutdown')) await this.#runOnce(component, onShutdownMs);
    const running = this.components().filter((component) => component.running);
    const graph = new Map(running.map((component) => [component.name, dependenciesOf(component.config)]));
    for (const group of dependentsFirst(graph)) {
      await Promise.allSettled(group.map((name) => this.#components.get(name)?.stop('shutdown')));
    }
  }

  /** What the last process left running may be neither wanted nor what the revision says. */
  async #reconcile(component: Component): Promise<void> {
    if (component.spec === undefined) {
      journal(`${component.name}: not part of the current revision; removing it`);
      await component.stop('swap');
      this.#forget(component);
    } else if (component.running && !component.current && component.kind === 'service') {
      journal(`${component.name}: runs another image or configuration than the current revision says; replacing it`);
      await component.startAnew().catch(() => undefined);
    }
  }

  async #runOnce(component: Component, limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    const done = component.current && component.state.phase === 'exited' && component.kind === 'onboot';
    if (done && component.state.error === undefined) return;
    await component.start().catch(() => undefined);
    const signal = Number.isFinite(limitMs) ? AbortSignal.timeout(limitMs) : undefined;
    await this.#until(() => !component.running, signal).catch(() => undefined);
    if (component.running) await component.stop('shutdown');
    const { exitCode } = component.state;
    if (exitCode !== 0) journal(`${component.name}: failed with exit code ${exitCode}; going on without it`);
  }

  async #bringUp(component: Component, withoutWaiting: boolean): Promise<void> {
    const { state } = component;
    if (component.running || state.wish === 'stop' || component.activity !== undefined) return;
    // It ended by itself and its policy lets it rest: that was decided before this process started.
    if (state.phase === 'exited' && state.stopReason === undefined && component.current && state.error === undefined) {
      component.resumeAfterExit();
      return;
    }
    const abort = component.beginWaiting('waiting for its dependencies');
    try {
      if (!withoutWaiting) await this.#dependenciesOf(component, abort);
    } catch {
      return; // Someone started or stopped it by hand, or changed it.
    }
    if (!this.#shuttingDown && !abort.aborted) await component.start().catch(() => undefined);
  }

  async #dependenciesOf(component: Component, abort: AbortSignal): Promise<void> {
    for (const { name, condition } of dependenciesOf(component.config)) {
      const dependency = this.#components.get(name);
      if (!dependency?.spec) {
        journal(`${component.name}: depends on ${name}, which this revision does not have; not waiting for it`);
        continue;
      }
      component.describeWaiting(`waiting for ${name} (${condition})`);
      await this.#until(() => meets(dependency, condition), abort);
    }
  }

  /** Rejects when `signal` aborts. */
  #until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        this.changes.off('changed', check);
        signal?.removeEventListener('abort', abort);
        settle();
      };
      const check = () => {
        if (condition()) finish(resolve);
      };
      const abort = () => finish(() => reject(new Error('given up')));
      if (signal?.aborted) return reject(new Error('given up'));
      this.changes.on('changed', check);
      signal?.addEventListener('abort', abort);
      check();
    });
  }

  async #checkAll(): Promise<void> {
    for (const component of this.#components.values()) {
      await component.checkProcess().catch((error: Error) => journal(`${component.name}: ${error.message}`));
    }
  }

  #ofKind(kind: ComponentSpec['kind']): Component[] {
    return this.components().filter((component) => component.kind === kind && component.spec !== undefined);
  }

  async #container(name: string): Promise<Component> {
    await this.#adopted.promise;
    const component = this.#components.get(name);
    if (component) return component;
    const part = this.#parts.get(name);
    if (part) throw new Error(`${name} is the device's ${part.kind}: it cannot be started or stopped, only swapped`);
    throw new UnknownComponentError(name);
  }

  #ensure(name: string): Component {
    const existing = this.#components.get(name);
    if (existing) return existing;
    const component = new Component(name, this.#engine, {
      event: (subject, action, attributes) => this.events.record(subject, action, attributes),
      changed: (subject) => this.changes.emit('changed', subject.name),
    });
    this.#components.set(name, component);
    return component;
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

function meets(component: Component, condition: Condition): boolean {
  if (condition === 'completed_successfully') {
    return component.state.phase === 'exited' && component.state.exitCode === 0;
  }
  if (condition === 'healthy') return component.running && ['healthy', 'none'].includes(component.health);
  return component.running || (component.state.phase === 'exited' && component.state.error === undefined);
}

const rank = (kind: ComponentSpec['kind'], order = 0) => componentKinds.indexOf(kind) * 10_000 + order;

import type { EventEmitter } from 'node:events';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentKind } from '../../src/shared/definition/revision.ts';
import { specKey } from '../engine/record.ts';
import { journal } from '../native/journal.ts';
import type { Component } from './component.ts';
import { type Condition, type Dependency, dependenciesOf, dependentsFirst, inCycle } from './dependencies.ts';

/** The order in which a device comes up and goes down works on this. */
export interface Fleet {
  component(name: string): Component | undefined;
  /** Those that the current revision has, in its order. */
  ofKind(kind: ComponentKind): Component[];
  changes: EventEmitter<{ changed: [string] }>;
  shuttingDown(): boolean;
  /** Image defaults and definition merged, for a component that may have no container yet. */
  configOf(component: Component): Promise<ComponentConfig>;
  /** What people stopped in the boots before. */
  stopped: { has(name: string): boolean };
  reboot(reason: string): void;
  /** The boot stops until a person has done something; undefined: it goes on. */
  halted(halt: Halt | undefined): void;
}

/** Where and why the boot has stopped. */
export interface Halt {
  component: Component;
  /** For people. */
  reason: string;
}

/** Longest time one onshutdown component may hold up the power switch. */
const onShutdownMs = 30_000;

/** Runs the onboot components in order, then starts the services. Resolves when the onboot components have ended. */
export async function startUp(fleet: Fleet): Promise<void> {
  for (const component of fleet.ofKind('onboot')) await passOnboot(fleet, component);
  const services = fleet.ofKind('service');
  const graph = await graphOf(fleet, services);
  const cycle = inCycle(graph);
  for (const service of services) {
    const inCircle = cycle.has(service.name);
    if (inCircle) journal(`${service.name}: depends_on leads back to itself; starting without waiting`);
    void bringUp(fleet, service, inCircle ? [] : (graph.get(service.name) ?? []));
  }
}

/** Runs an onboot component, and does what its `on_failure` says when it fails for good. */
async function passOnboot(fleet: Fleet, component: Component): Promise<void> {
  await runOnce(fleet, component);
  while (!isPassed(component) && !fleet.shuttingDown()) {
    const reason = `${component.name} has ${component.reason ?? 'failed'}`;
    if (component.onFailure === 'continue') return journal(`${reason}; the boot goes on without it`);
    if (component.onFailure === 'reboot') {
      fleet.reboot(reason);
      return new Promise(() => undefined);
    }
    await haltAt(fleet, component, reason);
    if (component.state.excused) await runOnce(fleet, component, { again: true });
  }
}

/** Until the component has been run again, or is needed no more. All that would come after it says why it waits. */
async function haltAt(fleet: Fleet, component: Component, reason: string): Promise<void> {
  journal(`the boot stops here: ${reason}`);
  const later = [...fleet.ofKind('onboot'), ...fleet.ofKind('service')].filter(
    (other) => other !== component && !other.running && other.state.wish === 'run' && !hasRun(other),
  );
  const waits = later.map((other) => other.beginWaiting(`the boot has stopped at ${component.name}, which failed`));
  fleet.halted({ component, reason });
  const keyOf = () => component.spec && specKey(component.spec);
  let tried = keyOf();
  const isChanged = () => keyOf() !== tried;
  for (;;) {
    await until(fleet, () => isPassed(component) || isBusy(component) || isChanged());
    if (isPassed(component)) break;
    if (isChanged()) {
      tried = keyOf();
      await runOnce(fleet, component, { again: true });
    } else await until(fleet, () => !isBusy(component));
    if (!isPassed(component)) fleet.halted({ component, reason: `${component.name} has ${component.reason}` });
  }
  fleet.halted(undefined);
  journal(`the boot goes on after ${component.name}`);
  for (const [index, other] of later.entries()) if (!waits[index]?.aborted) other.cancelWaiting();
}

/** The boot can go on after it: it has succeeded, or a person does not want it. */
function isPassed(component: Component): boolean {
  const { state } = component;
  return hasSucceeded(component) || state.excused === true || state.wish === 'stop' || component.spec === undefined;
}

function isBusy(component: Component): boolean {
  return component.running || component.activity !== undefined;
}

const hasRun = (component: Component) => component.kind === 'onboot' && hasSucceeded(component);

function hasSucceeded({ state }: Component): boolean {
  return state.phase === 'exited' && state.exitCode === 0 && state.error === undefined;
}

/** Runs the onshutdown components in order, then stops all services, dependents first. */
export async function shutDown(fleet: Fleet): Promise<void> {
  for (const component of fleet.ofKind('onshutdown'))
    await runOnce(fleet, component, { limitMs: onShutdownMs, again: true });
  const running = [...fleet.ofKind('onboot'), ...fleet.ofKind('service')].filter((component) => component.running);
  for (const group of dependentsFirst(await graphOf(fleet, running))) {
    await Promise.allSettled(group.map((name) => fleet.component(name)?.stop('shutdown')));
  }
}

async function graphOf(fleet: Fleet, components: Component[]): Promise<Map<string, Dependency[]>> {
  const edges = components.map(async (component): Promise<[string, Dependency[]]> => {
    // An image that cannot be read is told when it is started.
    const config = await fleet.configOf(component).catch(() => component.config);
    return [component.name, dependenciesOf(config)];
  });
  return new Map(await Promise.all(edges));
}

/**
 * Runs a component until it has ended and its restart policy does not start it again. In a boot it does so once, also
 * when the init container is restarted meanwhile, unless it is asked for `again`.
 */
async function runOnce(
  fleet: Fleet,
  component: Component,
  { limitMs, again }: { limitMs?: number; again?: boolean } = {},
) {
  const { state } = component;
  if (state.wish === 'stop') return;
  const signal = limitMs === undefined ? undefined : AbortSignal.timeout(limitMs);
  if (again || !resume(component)) {
    const problem = await neverMet(fleet, component);
    if (problem) return component.refuse(problem);
    await component.start().catch(() => undefined);
  }
  await until(fleet, () => !isBusy(component), signal).catch(() => undefined);
  if (component.running) await component.stop('shutdown');
  component.cancelWaiting();
}

/** Whether it was run by this process's predecessor in this boot, or is run: then it goes on from there. */
function resume(component: Component): boolean {
  const { state } = component;
  if (component.running) return true;
  if (component.kind !== 'onboot' || state.phase !== 'exited' || !component.current) return false;
  if (hasSucceeded(component) || state.excused) return true;
  if (state.stopReason !== undefined) return false;
  if (component.activity === undefined) component.resumeAfterExit();
  return true;
}

/** What runs in order does not wait: what it depends on is there by now, or never will be. */
async function neverMet(fleet: Fleet, component: Component): Promise<string | undefined> {
  const config = await fleet.configOf(component).catch(() => component.config);
  for (const { name, condition } of dependenciesOf(config)) {
    const dependency = fleet.component(name);
    if (dependency?.spec && !meets(dependency, condition)) return `depends on ${describe(dependency, condition)}`;
  }
  return undefined;
}

async function bringUp(fleet: Fleet, component: Component, dependencies: Dependency[]): Promise<void> {
  const { state } = component;
  if (component.running || state.wish === 'stop' || component.activity !== undefined) return;
  if (state.phase === 'created' && fleet.stopped.has(component.name)) {
    const { restart } = await fleet.configOf(component).catch(() => component.config);
    if (restart === 'unless-stopped') return component.setWish('stop');
    if (component.running || component.activity !== undefined) return;
  }
  // It ended by itself before this process started: its policy says what now.
  const decided = state.restartAtMs !== undefined || state.gaveUp || state.error === undefined;
  if (state.phase === 'exited' && state.stopReason === undefined && component.current && decided) {
    component.resumeAfterExit();
    return;
  }
  const abort = component.beginWaiting('waiting for its dependencies');
  try {
    await waitFor(fleet, component, dependencies, abort);
  } catch {
    return; // Someone started, stopped or changed it meanwhile.
  }
  if (!fleet.shuttingDown() && !abort.aborted) await component.start().catch(() => undefined);
}

async function waitFor(fleet: Fleet, component: Component, dependencies: Dependency[], abort: AbortSignal) {
  for (const { name, condition } of dependencies) {
    const dependency = fleet.component(name);
    if (!dependency?.spec) {
      journal(`${component.name}: depends on ${name}, which this revision does not have; not waiting for it`);
      continue;
    }
    const isMet = () => {
      if (meets(dependency, condition)) return true;
      component.describeWaiting(`waiting for ${describe(dependency, condition)}`);
      return false;
    };
    await until(fleet, isMet, abort);
  }
}

function meets(component: Component, condition: Condition): boolean {
  const { state } = component;
  if (condition === 'completed_successfully') return hasSucceeded(component);
  if (condition === 'healthy') {
    if (component.kind !== 'service') return hasSucceeded(component);
    return component.running && ['healthy', 'none'].includes(component.health);
  }
  return component.running || (state.phase === 'exited' && state.error === undefined);
}

/** A dependency that is not met, with the reason if a person must do something about it. */
function describe(component: Component, condition: Condition): string {
  const what = `${component.name} (${condition})`;
  const { state } = component;
  if (state.wish === 'stop' && !component.running) return `${what}, which was stopped by hand`;
  if (state.gaveUp) return `${what}, which has ${component.reason} and is not started again by itself`;
  if (component.health === 'unhealthy') return `${what}, which is unhealthy`;
  if (condition === 'completed_successfully' && state.phase === 'exited' && component.activity === undefined)
    return `${what}, which ended with exit code ${state.exitCode}`;
  return what;
}

/** Resolves when the condition holds; looks at each change. Rejects when `signal` aborts. */
function until({ changes }: Fleet, condition: () => boolean, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      changes.off('changed', check);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const check = () => {
      if (condition()) finish(resolve);
    };
    const abort = () => finish(() => reject(new Error('given up')));
    if (signal?.aborted) return reject(new Error('given up'));
    changes.on('changed', check);
    signal?.addEventListener('abort', abort);
    check();
  });
}

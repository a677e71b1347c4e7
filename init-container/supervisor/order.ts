import type { EventEmitter } from 'node:events';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentKind } from '../../src/shared/definition/revision.ts';
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
}

/** Longest time one onshutdown component may hold up the power switch. */
const onShutdownMs = 30_000;

/** Runs the onboot components in order, then starts the services. Resolves when the onboot components have ended. */
export async function startUp(fleet: Fleet): Promise<void> {
  for (const component of fleet.ofKind('onboot')) await runOnce(fleet, component);
  const services = fleet.ofKind('service');
  const graph = await graphOf(fleet, services);
  const cycle = inCycle(graph);
  for (const service of services) {
    const inCircle = cycle.has(service.name);
    if (inCircle) journal(`${service.name}: depends_on leads back to itself; starting without waiting`);
    void bringUp(fleet, service, inCircle ? [] : (graph.get(service.name) ?? []));
  }
}

/** Runs the onshutdown components in order, then stops all services, dependents first. */
export async function shutDown(fleet: Fleet): Promise<void> {
  for (const component of fleet.ofKind('onshutdown')) await runOnce(fleet, component, onShutdownMs);
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

/** Onboot components run once in a boot, also when the init container is restarted meanwhile. */
async function runOnce(fleet: Fleet, component: Component, limitMs?: number): Promise<void> {
  const { state } = component;
  if (component.kind === 'onboot' && component.current && state.phase === 'exited' && state.error === undefined) return;
  await component.start().catch(() => undefined);
  const signal = limitMs === undefined ? undefined : AbortSignal.timeout(limitMs);
  await until(fleet, () => !component.running, signal).catch(() => undefined);
  if (component.running) await component.stop('shutdown');
  const { exitCode } = component.state;
  if (exitCode !== 0) journal(`${component.name}: failed with exit code ${exitCode}; going on without it`);
}

async function bringUp(fleet: Fleet, component: Component, dependencies: Dependency[]): Promise<void> {
  const { state } = component;
  if (component.running || state.wish === 'stop' || component.activity !== undefined) return;
  // It ended by itself before this process started: its policy says what now.
  if (state.phase === 'exited' && state.stopReason === undefined && component.current && state.error === undefined) {
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
    component.describeWaiting(`waiting for ${name} (${condition})`);
    await until(fleet, () => meets(dependency, condition), abort);
  }
}

function meets(component: Component, condition: Condition): boolean {
  const { state } = component;
  if (condition === 'completed_successfully') return state.phase === 'exited' && state.exitCode === 0;
  if (condition === 'healthy') return component.running && ['healthy', 'none'].includes(component.health);
  return component.running || (state.phase === 'exited' && state.error === undefined);
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

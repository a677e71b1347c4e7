import { journal } from '../native/journal.ts';
import type { Component } from './component.ts';
import { describe, meets } from './conditions.ts';
import { type Dependency, dependenciesOf, dependentsFirst, inCycle } from './dependencies.ts';
import { type Fleet, until } from './fleet.ts';
import { passOnboot, runOnce } from './onboot.ts';

/** Longest time one onshutdown component may hold up the power switch. */
const onShutdownMs = 30_000;

/** Runs the onboot components in order, then starts the services. Resolves when the onboot components have ended. */
export async function startUp(fleet: Fleet): Promise<void> {
  for (const component of fleet.ofKind('onboot')) {
    if (fleet.shuttingDown()) return;
    await passOnboot(fleet, component);
  }
  if (fleet.shuttingDown()) return;
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
    component.restarts.resume();
    return;
  }
  const abort = component.waiting.begin('waiting for its dependencies');
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
      component.waiting.describe(`waiting for ${describe(dependency, condition)}`);
      return false;
    };
    await until(fleet, isMet, abort);
  }
}

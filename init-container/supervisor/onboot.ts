import { specKey } from '../engine/record.ts';
import { journal } from '../native/journal.ts';
import type { Component } from './component.ts';
import { describe, hasSucceeded, isBusy, meets } from './conditions.ts';
import { dependenciesOf } from './dependencies.ts';
import { type Fleet, until } from './fleet.ts';

/** Runs an onboot component, and does what its `on_failure` says when it fails for good. */
export async function passOnboot(fleet: Fleet, component: Component): Promise<void> {
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
  const waits = later.map((other) => other.waiting.begin(`the boot has stopped at ${component.name}, which failed`));
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
  for (const [index, other] of later.entries()) if (!waits[index]?.aborted) other.waiting.cancel();
}

/** The boot can go on after it: it has succeeded, or a person does not want it. */
function isPassed(component: Component): boolean {
  const { state } = component;
  return hasSucceeded(component) || state.excused === true || state.wish === 'stop' || component.spec === undefined;
}

const hasRun = (component: Component) => component.kind === 'onboot' && hasSucceeded(component);

/**
 * Runs a component until it has ended and its restart policy does not start it again. In a boot it does so once, also
 * when the init container is restarted meanwhile, unless it is asked for `again`.
 */
export async function runOnce(
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
  component.waiting.cancel();
}

/** Whether it was run by this process's predecessor in this boot, or is run: then it goes on from there. */
function resume(component: Component): boolean {
  const { state } = component;
  if (component.running) return true;
  if (component.kind !== 'onboot' || state.phase !== 'exited' || !component.current) return false;
  if (hasSucceeded(component) || state.excused) return true;
  if (state.stopReason !== undefined) return false;
  if (component.activity === undefined) component.restarts.resume();
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

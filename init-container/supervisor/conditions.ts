import type { Component } from './component.ts';
import type { Condition } from './dependencies.ts';

/** It runs, or something is being done to it, or it waits for something. */
export function isBusy(component: Component): boolean {
  return component.running || component.activity !== undefined;
}

/** It ran to its end, and that was a good one. */
export function hasSucceeded({ state }: Component): boolean {
  return state.phase === 'exited' && state.exitCode === 0 && state.error === undefined;
}

/** Whether what depends on a component may start. */
export function meets(component: Component, condition: Condition): boolean {
  const { state } = component;
  if (condition === 'completed_successfully') return hasSucceeded(component);
  if (condition === 'healthy') {
    if (component.kind !== 'service') return hasSucceeded(component);
    return component.running && ['healthy', 'none'].includes(component.health);
  }
  return component.running || (state.phase === 'exited' && state.error === undefined);
}

/** A dependency that is not met, with the reason if a person must do something about it. */
export function describe(component: Component, condition: Condition): string {
  const what = `${component.name} (${condition})`;
  const { state } = component;
  if (state.wish === 'stop' && !component.running) return `${what}, which was stopped by hand`;
  if (state.gaveUp) return `${what}, which has ${component.reason} and is not started again by itself`;
  if (component.health === 'unhealthy') return `${what}, which is unhealthy`;
  if (condition === 'completed_successfully' && state.phase === 'exited' && component.activity === undefined)
    return `${what}, which ended with exit code ${state.exitCode}`;
  return what;
}

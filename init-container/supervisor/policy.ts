import type { ComponentKind } from '../../src/shared/definition/revision.ts';

/** Running this long means that the start went well: the next failure waits the shortest time again. */
export const settledMs = 10_000;
/** Between the stop signal and SIGKILL, when the definition says nothing. */
export const defaultGraceMs = 10_000;
const firstDelayMs = 1000;
const longestDelayMs = 60_000;

/** Services are kept running, as on any device; onboot and onshutdown components run once. */
export function defaultRestart(kind: ComponentKind): string {
  return kind === 'service' ? 'always' : 'no';
}

/** How a container ended, and what its definition says of that. */
export interface Ending {
  /** `restart` of the definition. */
  policy: string;
  kind: ComponentKind;
  exitCode: number;
  /** Restarts in a row so far. */
  failures: number;
}

/** Whether a container that ended by itself is started again. What runs once has done so when it ended with 0. */
export function shouldRestart({ policy, kind, exitCode, failures }: Ending): boolean {
  if (exitCode === 0 && kind !== 'service') return false;
  if (policy === 'always' || policy === 'unless-stopped') return true;
  const onFailure = /^on-failure(?::(\d+))?$/.exec(policy);
  if (!onFailure || exitCode === 0) return false;
  // No number, or 0: without end, as with Docker.
  const most = Number(onFailure[1] ?? 0);
  return most === 0 || failures < most;
}

/** What is done when a component has failed and its restart policy gives up. */
export function defaultOnFailure(kind: ComponentKind): 'continue' | 'halt' {
  return kind === 'onboot' ? 'halt' : 'continue';
}

/** 1 s, 2 s, 4 s … 60 s before restart number `failures` (from 0) in a row. */
export function restartDelayMs(failures: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(failures, 10));
}

/** Failures in a row, after a run of `ranMs`. */
export function failuresAfter(failures: number, ranMs: number): number {
  return ranMs >= settledMs ? 0 : failures;
}

import type { ComponentKind } from '../../src/shared/definition/revision.ts';

/** Running this long means that the start went well: the next failure waits the shortest time again. */
const resetAfterMs = 10_000;
const firstDelayMs = 1000;
const longestDelayMs = 60_000;

/** Services are kept running, as on any device; onboot and onshutdown components run once. */
export function defaultRestart(kind: ComponentKind): string {
  return kind === 'service' ? 'always' : 'no';
}

/** Whether a container that ended by itself is started again. `failures`: how often in a row it has been by now. */
export function shouldRestart(policy: string, exitCode: number, failures: number): boolean {
  if (policy === 'always' || policy === 'unless-stopped') return true;
  const onFailure = /^on-failure(?::(\d+))?$/.exec(policy);
  if (!onFailure || exitCode === 0) return false;
  return onFailure[1] === undefined || failures < Number(onFailure[1]);
}

/** 1 s, 2 s, 4 s … 60 s before restart number `failures` (from 0) in a row. */
export function restartDelayMs(failures: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(failures, 10));
}

/** Failures in a row, after a run of `ranMs`. */
export function failuresAfter(failures: number, ranMs: number): number {
  return ranMs >= resetAfterMs ? 0 : failures;
}

import type { ComponentStatus } from '../../src/shared/api/types.ts';
import { type ComponentConfig, swapStrategies } from '../../src/shared/definition/component-config.ts';
import { specKey } from '../engine/record.ts';
import type { Applied } from './journal.ts';
import { type Change, howItRuns } from './parts.ts';
import type { ObservedComponent, Side } from './planner.ts';

/** Whether there is a process, or will be one without anybody's doing. */
export function isUp(status: ComponentStatus | undefined): boolean {
  return status !== undefined && ['running', 'starting', 'stopping', 'waiting'].includes(status.state);
}

/** Whether there is nothing wrong with a component: it runs, and its health check, if it has one, says so too. */
export function isWell(status: ComponentStatus | undefined): boolean {
  return status?.state === 'running' && (status.health === 'healthy' || status.health === 'none');
}

/** Which of a change's two sides is up, by what the container was made from. */
export function sideUp(change: Change, status: ComponentStatus | undefined): ObservedComponent['up'] {
  if (status?.beside) return 'both';
  if (!status || !isUp(status)) return 'nothing';
  if (status.spec === specKey(change.old)) return 'old';
  return status.spec === specKey(change.new) ? 'new' : 'other';
}

/** Where this process is: what was applied in an earlier one has taken effect. */
export interface Here {
  bootId: string;
  processId: string;
}

/** What is left to happen before what was applied takes effect. */
export function pendingEffect(applied: Applied | undefined, here: Here): ObservedComponent['pending'] {
  if (!applied?.effect || applied.effect === 'live' || applied.boot !== here.bootId) return undefined;
  if (applied.effect === 'restart-init' && applied.process !== here.processId) return undefined;
  return applied.effect;
}

/** What is known of a component beside what its container shows. */
export interface Known {
  /** What new configuration it has, its image's own included. */
  config: ComponentConfig;
  ranBefore: boolean;
  wasWell: boolean;
  proven: boolean;
  prepared: boolean;
  copies: boolean;
  applied: Applied | undefined;
}

/** One component as the planner wants it. */
export function observe(
  change: Change,
  status: ComponentStatus | undefined,
  known: Known,
  here: Here,
): ObservedComponent {
  const { config, applied, ...rest } = known;
  const runs = howItRuns(change.old.kind);
  const common = { ...rest, name: change.name, runs, strategy: config.swap?.strategy ?? swapStrategies[0] };
  if (runs !== 'part') return { ...common, up: sideUp(change, status) };
  const up: Side | 'other' = applied === undefined ? 'old' : applied.effect === undefined ? 'other' : applied.side;
  const pending = pendingEffect(applied, here);
  return { ...common, up, ...(pending === undefined ? {} : { pending }) };
}

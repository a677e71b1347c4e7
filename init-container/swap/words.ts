import { configFields } from '../revisions/changes.ts';
import type { Change } from './parts.ts';
import type { Side } from './planner.ts';

/** "web:2", or, when only the configuration differs, "web:2 with another env" and "web:2 with its env". */
export function whatOf(change: Change, side: Side): string {
  const { ref } = change[side].image;
  if (change.old.image.digest !== change.new.image.digest) return ref;
  const fields = configFields(change.old.config, change.new.config).join(', ');
  return `${ref} with ${side === 'new' ? 'another' : 'its'} ${fields}`;
}

export function imagesOf(changes: readonly Change[], side: Side): string {
  return changes.map((change) => whatOf(change, side)).join(', ');
}

/** "web runs web:2, page runs page:2"; with a word such as "now" before each verb. */
export function whatRuns(changes: readonly Change[], side: Side, when = ''): string {
  return changes.map((change) => `${change.name} ${when}runs ${whatOf(change, side)}`).join(', ');
}

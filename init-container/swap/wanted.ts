import type { z } from 'zod';
import type { RollbackRequest, swapRequestSchema } from '../../src/shared/api/types.ts';
import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { nearest } from '../../src/shared/text/nearest.ts';
import { specKey } from '../engine/record.ts';
import { changedComponents } from '../revisions/changes.ts';
import type { NumberedRevision, Revisions } from '../revisions/types.ts';
import { SwapError } from './errors.ts';
import { type Change, changesBetween, howItRuns, type SwapParts } from './parts.ts';

/** What a request asks for: the revision to reach from the one in force. */
export interface Wanted {
  base: NumberedRevision;
  revision: Revision;
  /** What differs; empty when the device already is as wanted. */
  changes: Change[];
  /** For people: "swap web". */
  reason: string;
}

export type SwapOrder = Pick<z.output<typeof swapRequestSchema>, 'changes'>;

/** What a swap makes of the revision in force. Throws a `SwapError` for names that it does not have. */
export function wantedBySwap(revisions: Revisions, { changes }: SwapOrder): Wanted {
  const base = revisions.current();
  const components = { ...base.revision.components };
  for (const { name, image, config } of changes) {
    const spec = componentOf(base, name);
    const other = image !== undefined && image.digest !== spec.image.digest;
    components[name] = { ...spec, image: other ? image : spec.image, config: config ?? spec.config };
  }
  const names = changes.map(({ name }) => name);
  return wanted(base, { ...base.revision, components }, names, `swap ${names.join(', ')}`);
}

/** What a rollback makes of it. Throws a `SwapError` when there is nothing to go back to. */
export function wantedByRollback(revisions: Revisions, request: RollbackRequest): Wanted {
  const base = revisions.current();
  const { name, revision: number } = request;
  if (name === undefined) {
    const target = targetOf(revisions, number);
    const names = changedComponents(base.revision, target.revision);
    for (const changed of names) expectInBoth(changed, base, target);
    return wanted(base, target.revision, names, `rollback to ${target.number}`);
  }
  const former = formerSpec(revisions, name, componentOf(base, name), base, number);
  const components = { ...base.revision.components, [name]: former };
  return wanted(base, { ...base.revision, components }, [name], `rollback ${name}`);
}

/** Throws a `SwapError` when one of the changes cannot be made on this device. */
export function expectSwappable(changes: readonly Change[], parts: SwapParts, persistent: boolean): void {
  for (const change of changes) {
    const { name } = change;
    const { kind } = change.old;
    if (howItRuns(kind) === 'part') {
      const swapper = parts.swappers[kind];
      const why = swapper ? swapper.canSwap(change) : 'it cannot be swapped here, build a new image instead';
      if (why !== undefined) throw new SwapError('unsupported', `${name} is the device's ${kind}: ${why}`);
      continue;
    }
    if (kind === 'onboot' && !persistent) {
      const why = `${name} runs only at boot, and this device has no data partition: a swap would be lost before it has an effect`;
      throw new SwapError('conflict', `${why}. Add a partition with the label gantry-data, or build a new image`);
    }
  }
}

/** Why some of it is not taken without `retry`, or undefined. */
export function refusalOf(changes: readonly Change[], revisions: Revisions): string | undefined {
  for (const change of changes) {
    const refusal = revisions.refusal(change.name, change.new);
    if (!refusal) continue;
    const what =
      refusal.spec === undefined
        ? change.new.image.ref
        : `this configuration of ${change.name} (${change.new.image.ref})`;
    return `${what} was rolled back at ${refusal.at}: ${refusal.reason}`;
  }
  return undefined;
}

function wanted(base: NumberedRevision, revision: Revision, names: string[], reason: string): Wanted {
  return { base, revision, changes: changesBetween(base, { ...base, revision }, names), reason };
}

/** The whole revision to go back to. */
function targetOf(revisions: Revisions, number: number | undefined): NumberedRevision {
  const target = number === undefined ? revisions.previous() : revisions.get(number);
  if (target && !revisions.committed().includes(target.number)) {
    const why = `revision ${target.number} was never in force, so there is nothing to go back to`;
    throw new SwapError('conflict', `${why}. To take it: swap what it names, with --retry where that was refused`);
  }
  if (target) return target;
  if (number === undefined)
    throw new SwapError('conflict', 'there is no previous revision to go back to: nothing was swapped yet');
  if (revisions.list().revisions.some((known) => known.number === number))
    throw new SwapError('conflict', `revision ${number} was collected to make room, so it cannot be gone back to`);
  throw new SwapError('unknown', `there is no revision ${number}; "gantry revisions" lists those there are`);
}

/** One component as it was in the given revision, or in the newest former one where it differs. */
function formerSpec(
  revisions: Revisions,
  name: string,
  spec: ComponentSpec,
  base: NumberedRevision,
  number: number | undefined,
): ComponentSpec {
  if (number !== undefined) return componentOf(targetOf(revisions, number), name);
  for (const former of revisions.committed().toReversed()) {
    const candidate = former < base.number ? revisions.get(former)?.revision.components[name] : undefined;
    if (candidate && specKey(candidate) !== specKey(spec)) return candidate;
  }
  const why = `${name} has had no other image or configuration than now (${spec.image.ref}) on this device`;
  throw new SwapError('conflict', `${why}: nothing to go back to`);
}

function componentOf(revision: NumberedRevision, name: string): ComponentSpec {
  const { components } = revision.revision;
  const spec = Object.hasOwn(components, name) ? components[name] : undefined;
  if (spec) return spec;
  const similar = nearest(name, Object.keys(components)).join(', ');
  const why = `revision ${revision.number} has no component "${name}"`;
  throw new SwapError('unknown', `${why}; the nearest names are: ${similar}`);
}

function expectInBoth(name: string, base: NumberedRevision, target: NumberedRevision): void {
  const [before, after] = [base.revision.components[name], target.revision.components[name]];
  if (before && after && before.kind === after.kind) return;
  const why = `revision ${target.number} has other components than revision ${base.number} (${name})`;
  throw new SwapError('unsupported', `${why}, and components cannot be added or removed while the device runs`);
}

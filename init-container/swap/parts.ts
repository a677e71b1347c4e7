import type { ComponentStatus } from '../../src/shared/api/types.ts';
import type { ComponentKind, ComponentSpec } from '../../src/shared/definition/revision.ts';
import type { NumberedRevision, Revisions } from '../revisions/types.ts';
import type { ImageStore } from '../store/types.ts';
import type { Supervisor } from '../supervisor/types.ts';
import type { SwapJournal } from './journal.ts';
import type { ObservedComponent } from './planner.ts';

/** What a swap works with. */
export interface SwapParts {
  revisions: Revisions;
  images: ImageStore;
  supervisor: Supervisor;
  journal: SwapJournal;
  /** See `readBootId`. */
  bootId: string;
  /** For the device's log. */
  log: (message: string) => void;
}

/** A component that differs between two revisions. */
export interface Change {
  name: string;
  old: ComponentSpec;
  new: ComponentSpec;
}

/** Services are replaced while the device runs; the others run once and are left to do so. */
export function isLive(kind: ComponentKind): boolean {
  return kind === 'service';
}

/** The components named, as they are in both revisions; one that is not in both is left out. */
export function changesBetween(from: NumberedRevision, to: NumberedRevision, names: readonly string[]): Change[] {
  return names
    .flatMap((name) => {
      const [before, after] = [from.revision.components[name], to.revision.components[name]];
      return before && after ? [{ name, old: before, new: after }] : [];
    })
    .toSorted((a, b) => a.old.order - b.old.order || (a.name < b.name ? -1 : 1));
}

/** Whether there is a process, or will be one without anybody's doing. */
export function isUp(status: ComponentStatus | undefined): boolean {
  return status !== undefined && ['running', 'starting', 'stopping', 'waiting'].includes(status.state);
}

/** Which of a change's two sides is up, by the image that the container was made from. */
export function sideUp(change: Change, status: ComponentStatus | undefined): ObservedComponent['up'] {
  if (!status || !isUp(status)) return 'nothing';
  if (change.old.image.digest === change.new.image.digest) return 'other';
  if (status.digest === change.old.image.digest) return 'old';
  return status.digest === change.new.image.digest ? 'new' : 'other';
}

/** "web", or "sshd, web". */
export function namesOf(components: readonly { name: string }[]): string {
  return components.map(({ name }) => name).join(', ');
}

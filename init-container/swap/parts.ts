import { boundVolumes } from '../../src/shared/definition/bind.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentKind, ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { specKey } from '../engine/record.ts';
import type { NumberedRevision, Revisions } from '../revisions/types.ts';
import { messageOf } from '../store/errors.ts';
import type { ImageStore } from '../store/types.ts';
import type { Supervisor } from '../supervisor/types.ts';
import type { SwapJournal } from './journal.ts';
import type { Effect, Side } from './planner.ts';

/** A component that differs between two revisions. */
export interface Change {
  name: string;
  old: ComponentSpec;
  new: ComponentSpec;
}

/** Swaps what is no system container: the init container, the base, the kernel. */
export interface PartSwapper {
  /** A sentence why not, or undefined when it can. */
  canSwap(change: Change): string | undefined;
  /**
   * Puts a side in place; can be called again. `live`: it has taken effect. `restart-init`: the init container must end
   * now, and the next one goes on. `reboot`: the device must reboot now. Rejects when the side cannot be put in place.
   */
  apply(change: Change, side: Side): Promise<Effect>;
  /** Asked once it has taken effect, in this, the next process or the next boot. Rejects with what is wrong. */
  verify(change: Change, side: Side, signal: AbortSignal): Promise<void>;
  /** Makes the new side what starts from now on. Asked before the revision is put in force, maybe more than once. */
  confirm(change: Change): Promise<void>;
}

/** The data of components that belong to a revision. */
export interface RevisionVolumes {
  /** Rejects with a sentence when what would be copied for a revision does not fit: before anything stops for it. */
  mustFit(from: Revision, to: Revision, options: { fresh: boolean }): Promise<void>;
  /**
   * Gives a volume its data in the revision `to`, when nothing that binds it runs. `fresh`: it replaces what an earlier
   * swap to the same left there, and which is set aside; otherwise (going back to a revision) what is there is kept.
   */
  copyRevisionVolume(name: string, from: Revision, to: Revision, options: { fresh: boolean }): Promise<void>;
  /** When no swap is under way any more: what was set aside comes back, unless its copy belongs to the revision in force. */
  settleCopies(): Promise<void>;
}

/** What a swap works with. */
export interface SwapParts {
  revisions: Revisions;
  images: ImageStore;
  supervisor: Supervisor;
  journal: SwapJournal;
  /** See `readBootId`. */
  bootId: string;
  /** Names this process: another one after each restart of the init container. */
  processId: string;
  /** By kind; without one, components of the kind cannot be swapped. */
  swappers: Partial<Record<ComponentKind, PartSwapper>>;
  /** Ends this process, or reboots the device, in order. Does not return before that happens. */
  restart(effect: Exclude<Effect, 'live'>): Promise<void>;
  volumes: RevisionVolumes;
  /** For the device's log. */
  log: (message: string) => void;
}

/** As that of the volumes; trouble is only told, and the next start tries again. */
export async function settleCopies({ volumes, log }: Pick<SwapParts, 'volumes' | 'log'>): Promise<void> {
  await volumes.settleCopies().catch((error: unknown) => {
    log(`data that a swap has set aside could not be put back: ${messageOf(error)}`);
  });
}

/** Services are replaced while the device runs, kernel, base and init in their own way; the others run when they run. */
export function howItRuns(kind: ComponentKind): 'live' | 'later' | 'part' {
  if (kind === 'service') return 'live';
  return kind === 'onboot' || kind === 'onshutdown' ? 'later' : 'part';
}

/** The components named, as they are in both revisions; one that is not in both, or the same in both, is left out. */
export function changesBetween(from: NumberedRevision, to: NumberedRevision, names: readonly string[]): Change[] {
  return names
    .flatMap((name) => {
      const [before, after] = [from.revision.components[name], to.revision.components[name]];
      return before && after && specKey(before) !== specKey(after) ? [{ name, old: before, new: after }] : [];
    })
    .toSorted((a, b) => a.old.order - b.old.order || (a.name < b.name ? -1 : 1));
}

/** The volumes of a component, of those whose data belong to a revision. */
export function revisionVolumes(config: ComponentConfig, revision: Revision): string[] {
  return boundVolumes(config.binds).filter((name) => revision.volumes?.[name]?.persistence === 'revision');
}

/** "web", or "sshd, web". */
export function namesOf(components: readonly { name: string }[]): string {
  return components.map(({ name }) => name).join(', ');
}

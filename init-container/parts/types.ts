import type { ComponentSpec } from '../../src/shared/definition/revision.ts';

/** A part (init container, base, kernel) that differs between two revisions. */
export interface PartChange {
  name: string;
  old: ComponentSpec;
  new: ComponentSpec;
}

export type Side = 'old' | 'new';

/**
 * `live`: it has taken effect. `restart-init`: the init container must end now, and the next one goes on. `reboot`: the
 * device must reboot now.
 */
export type Effect = 'live' | 'restart-init' | 'reboot';

/** Swaps what is no system container. */
export interface PartSwapper {
  /** A sentence why not, or undefined when it can. */
  canSwap(change: PartChange): string | undefined;
  /** Puts a side in place; can be called again. Rejects when the side cannot be put in place. */
  apply(change: PartChange, side: Side): Promise<Effect>;
  /** Asked once it has taken effect, in this, the next process or the next boot. Rejects with what is wrong. */
  verify(change: PartChange, side: Side, signal: AbortSignal): Promise<void>;
  /** Makes the new side what starts from now on. Asked before the revision is put in force, maybe more than once. */
  confirm(change: PartChange): Promise<void>;
}

import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import type { PartSwapper as Swapper } from '../swap/parts.ts';

export type { Change as PartChange } from '../swap/parts.ts';
export type { Effect, Side } from '../swap/planner.ts';

/** Swaps what is no system container, and knows what runs in its place. */
export interface PartSwapper extends Swapper {
  /** Why something else runs than `spec`, in words for people; undefined when it runs, or when that cannot be known here. */
  whyOther(spec: ComponentSpec): Promise<string | undefined>;
  /** What runs now is what starts from now on, because something did not work that was to be started. */
  keepRunning(): Promise<void>;
}

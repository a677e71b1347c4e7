/** What a swap does next, as data: pure, so that every situation can be tried in a test. */

/** What is known of one component that differs between the old and the new revision. */
export interface ObservedComponent {
  name: string;
  /** A service is replaced while the device runs; the others run once, from the next boot or shutdown on. */
  live: boolean;
  /** Whether it ran when the swap began: only then does going back start it again. */
  ranBefore: boolean;
  /** Whose container is up now; `other`: one of neither, or one that cannot be told. */
  up: 'old' | 'new' | 'other' | 'nothing';
  /** Whether what is up has been found healthy, or was never touched. */
  proven: boolean;
}

export interface Observed {
  /** Everything the new revision needs was found whole on this device. */
  staged: boolean;
  committed: boolean;
  /** In the order of the OS definition. */
  components: ObservedComponent[];
}

export type Side = 'old' | 'new';

export type Step =
  | { action: 'stage' }
  | { action: 'stop'; component: string }
  | { action: 'start' | 'probe'; component: string; side: Side }
  | { action: 'commit' };

/**
 * The steps from what is observed to the new revision in force, or back to the old one running. No step: it is reached.
 * All that differs is stopped before anything new starts, so that parts of two revisions never run beside each other.
 */
export function plan(observed: Observed, goal: Side): Step[] {
  const live = observed.components.filter((component) => component.live);
  const steps: Step[] = [];
  if (goal === 'new' && !observed.staged) steps.push({ action: 'stage' });
  for (const { name, up } of live.toReversed()) {
    if (up !== goal && up !== 'nothing') steps.push({ action: 'stop', component: name });
  }
  for (const { name, up, proven, ranBefore } of live) {
    if (goal === 'old' && !ranBefore) continue;
    if (up !== goal) steps.push({ action: 'start', component: name, side: goal });
    if (up !== goal || !proven) steps.push({ action: 'probe', component: name, side: goal });
  }
  if (goal === 'new' && !observed.committed) steps.push({ action: 'commit' });
  return steps;
}

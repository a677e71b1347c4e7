import type { SwapStrategy } from '../../src/shared/definition/component-config.ts';

/** What a swap does next, as data: pure, so that every situation can be tried in a test. */

export type Side = 'old' | 'new';

/** How what was applied takes effect: see `PartSwapper`. */
export type Effect = 'live' | 'restart-init' | 'reboot';

/** What is known of one component that differs between the old and the new revision. */
export interface ObservedComponent {
  name: string;
  /**
   * `live`: a service, replaced while the device runs. `later`: runs once, from the next boot or shutdown on. `part`: the
   * init container, the base or the kernel, which have ways of their own.
   */
  runs: 'live' | 'later' | 'part';
  /** As the new revision says. */
  strategy: SwapStrategy;
  /** Whether it ran when the swap began: only then does going back start it again. */
  ranBefore: boolean;
  /** Whether it was healthy then: only then must it become so again when going back. */
  wasWell: boolean;
  /**
   * Whose container is up now, or which side of a part was applied. `both`: the new one beside the old. `other`: one of
   * neither, or one that cannot be told.
   */
  up: Side | 'both' | 'other' | 'nothing';
  /** Whether the side that is the goal has been found healthy, or was never touched. */
  proven: boolean;
  /** Whether volumes of it must be copied for the new revision before it starts. */
  copies: boolean;
  /** Whether its new container was made, as far as that is possible while the old one runs. */
  prepared: boolean;
  /** What must happen so that the part that was applied takes effect. */
  pending?: Exclude<Effect, 'live'>;
}

export interface Observed {
  /** Everything the new revision needs was found whole on this device. */
  staged: boolean;
  /** All of `watched` have stayed healthy for the stability window. */
  stable: boolean;
  committed: boolean;
  /** In the order of the OS definition. */
  components: ObservedComponent[];
  /** Who must stay healthy before the commit: what was swapped, and all that depend on it. */
  watched: string[];
}

export type Step =
  | { action: 'stage' | 'commit' }
  | { action: 'prepare' | 'copy' | 'stop' | 'start-beside'; component: string }
  | { action: 'start' | 'probe' | 'apply' | 'verify'; component: string; side: Side }
  | { action: 'settle'; component: string; keep: Side }
  | { action: 'restart'; effect: Exclude<Effect, 'live'> }
  | { action: 'stable'; components: string[] };

/**
 * The steps from what is observed to the new revision in force, or back to the old one running. No step: it is reached.
 * Parts come first and go back last: what they need (a reboot at worst) would undo the work on containers.
 */
export function plan(observed: Observed, goal: Side): Step[] {
  const live = observed.components.filter(({ runs }) => runs === 'live');
  const parts = partSteps(
    observed.components.filter(({ runs }) => runs === 'part'),
    goal,
  );
  if (goal === 'old') return [...settleSteps(live), ...containerSteps(live, 'old'), ...parts];
  const steps: Step[] = observed.staged ? [] : [{ action: 'stage' }];
  const overlapping = live.filter(canOverlap);
  const others = live.filter((component) => !overlapping.includes(component));
  steps.push(...parts, ...prepareSteps(others), ...overlapping.flatMap(overlapSteps), ...containerSteps(others, 'new'));
  if (!observed.stable && observed.watched.length > 0) {
    steps.push({ action: 'stable', components: observed.watched });
  }
  if (!observed.committed) steps.push({ action: 'commit' });
  return steps;
}

/** A volume that is copied must not be written to meanwhile: then the old one ends first, whatever is wished. */
function canOverlap({ strategy, up, copies }: ObservedComponent): boolean {
  return up === 'both' || (strategy === 'overlap' && up === 'old' && !copies);
}

/** A container with a volume that is yet to be copied would be made with the wrong one. */
function prepareSteps(live: ObservedComponent[]): Step[] {
  return live
    .filter(({ up, copies, prepared }) => (up === 'old' || up === 'other') && !copies && !prepared)
    .map(({ name }): Step => ({ action: 'prepare', component: name }));
}

function overlapSteps({ name, up, proven }: ObservedComponent): Step[] {
  const steps: Step[] = up === 'both' ? [] : [{ action: 'start-beside', component: name }];
  if (up !== 'both' || !proven) steps.push({ action: 'probe', component: name, side: 'new' });
  return [...steps, { action: 'settle', component: name, keep: 'new' }];
}

function settleSteps(live: ObservedComponent[]): Step[] {
  return live
    .filter(({ up }) => up === 'both')
    .map(({ name }): Step => ({ action: 'settle', component: name, keep: 'old' }));
}

/** All that differs is stopped before anything starts, so that parts of two revisions never run beside each other. */
function containerSteps(components: ObservedComponent[], goal: Side): Step[] {
  const live = components.filter(({ up }) => up !== 'both');
  const steps: Step[] = [];
  for (const { name, up } of live.toReversed()) {
    if (up !== goal && up !== 'nothing') steps.push({ action: 'stop', component: name });
  }
  if (goal === 'new') {
    for (const { name, copies } of live) if (copies) steps.push({ action: 'copy', component: name });
  }
  for (const { name, up, proven, ranBefore, wasWell } of live) {
    if (goal === 'old' && !ranBefore) continue;
    if (up !== goal) steps.push({ action: 'start', component: name, side: goal });
    if (goal === 'old' && !wasWell) continue;
    if (up !== goal || !proven) steps.push({ action: 'probe', component: name, side: goal });
  }
  return steps;
}

/** All are applied before one restart or reboot makes them take effect together. */
function partSteps(parts: ObservedComponent[], goal: Side): Step[] {
  const steps: Step[] = [];
  for (const { name, up } of parts) {
    if (up !== goal) steps.push({ action: 'apply', component: name, side: goal });
  }
  const pending = parts.flatMap((part) => (part.up === goal && part.pending ? [part.pending] : []));
  if (pending.length > 0) {
    steps.push({ action: 'restart', effect: pending.includes('reboot') ? 'reboot' : 'restart-init' });
  }
  for (const { name, up, proven } of parts) {
    if (up !== goal || !proven) steps.push({ action: 'verify', component: name, side: goal });
  }
  return steps;
}

/** For people. */
export function describeStep(step: Step): string {
  switch (step.action) {
    case 'stage':
      return 'check that everything is complete on the device';
    case 'prepare':
      return `make the container of the new ${step.component}`;
    case 'copy':
      return `copy the data of ${step.component} that belong to its revision`;
    case 'start-beside':
      return `start the new ${step.component} beside the old`;
    case 'settle':
      return `stop the ${step.keep === 'new' ? 'old' : 'new'} ${step.component}`;
    case 'probe':
      return `wait until ${step.component} is healthy`;
    case 'apply':
      return `put the new ${step.component} in place`;
    case 'verify':
      return `check that the new ${step.component} works`;
    case 'restart':
      return step.effect === 'reboot' ? 'reboot the device' : 'restart the init container';
    case 'stable':
      return `see that ${step.components.join(', ')} ${step.components.length === 1 ? 'stays' : 'stay'} healthy`;
    case 'commit':
      return 'put the new revision in force';
    default:
      return `${step.action} ${step.component}`;
  }
}

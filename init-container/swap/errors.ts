import type { Step } from './planner.ts';

/**
 * Why a swap does not begin. `unknown`: no such component or revision. `conflict`: not now, or not without `retry`.
 * `unsupported`: not with this kind of component.
 */
export class SwapError extends Error {
  readonly kind: 'unknown' | 'conflict' | 'unsupported';
  constructor(kind: SwapError['kind'], message: string) {
    super(message);
    this.name = 'SwapError';
    this.kind = kind;
  }
}

/** What goes wrong in a step, with what the step was about. */
export class StepError extends Error {
  readonly step: Step;
  constructor(step: Step, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'StepError';
    this.step = step;
  }
}

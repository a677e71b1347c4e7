import type { SwapEvent } from '../shared/api/types.ts';
import type { StageTime } from './round-result.ts';

/** How a swap goes, from its events as they come. Times are milliseconds of one clock. */
export class SwapTimeline {
  readonly stages: StageTime[] = [];
  sentBytes = 0;
  /** When the last probe had ended well. */
  healthyAt: number | undefined;
  last: SwapEvent | undefined;
  /** When the device began to start the new one, and to go back from it, by the device's own clock: milliseconds since the epoch. */
  readonly trial: { from?: number; to?: number } = {};
  #stage: StageTime['stage'];
  #since: number;

  /** Until the device says something it is being sent to. */
  constructor(at: number) {
    this.#stage = 'send';
    this.#since = at;
  }

  /** True for the event with which the new component is known to be healthy. */
  add(event: SwapEvent, at: number): boolean {
    this.last = event;
    if (event.sending) {
      this.sentBytes = Math.max(this.sentBytes, event.progress?.done ?? 0);
      return false;
    }
    // Of one component: the device first looks whether all is there, then it makes the container.
    const stage = event.stage === 'stage' && this.#stage === 'stage' ? 'prepare' : event.stage;
    if (stage === this.#stage) return false;
    this.#end(at);
    this.#stage = stage;
    if (event.stage === 'start') this.trial.from ??= Date.parse(event.at);
    if (event.stage === 'rollback') this.trial.to ??= Date.parse(event.at);
    // What is no service has no such stage: then the end tells.
    const ended = event.stage === 'done' && this.touched && this.healthyAt === undefined;
    const isHealthy = event.stage === 'stable' || ended;
    if (isHealthy) this.healthyAt = at;
    return isHealthy;
  }

  /** Whether the device did anything. It does not when it already runs the image. */
  get touched(): boolean {
    return this.stages.some(({ stage }) => stage !== 'send');
  }

  get rolledBack(): boolean {
    return this.stages.some(({ stage }) => stage === 'rollback');
  }

  #end(at: number): void {
    const ms = Math.round(at - this.#since);
    this.#since = at;
    const known = this.stages.find(({ stage }) => stage === this.#stage);
    if (known) known.ms += ms;
    else this.stages.push({ stage: this.#stage, ms });
  }
}

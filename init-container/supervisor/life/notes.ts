import { canonicalJson } from '../../../src/shared/canonical-json.ts';
import { type ContainerState, saveState } from '../../engine/record.ts';
import { monotonicMs } from '../../native/clock.ts';
import type { ProcessIdentity } from '../../native/processes.ts';
import type { ComponentView } from '../component-view.ts';

/** Who is told of what becomes of a component. */
export interface ComponentHooks {
  event(component: ComponentView, action: string, attributes?: Record<string, string>): void;
  /** Something that others wait for has changed. */
  changed(component: ComponentView): void;
  /** It has failed, and its restart policy does not start it again. */
  gaveUp(component: ComponentView): void;
}

/** When a start began, by the clock and since the device's boot. */
export type Began = NonNullable<ContainerState['starting']>;

/** Writes down what becomes of a component, in its file before it takes effect, and tells others. */
export class Notes {
  readonly #component: ComponentView;
  readonly #hooks: ComponentHooks;
  #isClosed = false;

  constructor(component: ComponentView, hooks: ComponentHooks) {
    this.#component = component;
    this.#hooks = hooks;
  }

  /** Somebody else writes about the container from now on. */
  close(): void {
    this.#isClosed = true;
  }

  /** Changes what outlives this process. */
  save(change: Partial<ContainerState>): void {
    if (this.#isClosed) return;
    const component = this.#component;
    const before = canonicalJson(component.state);
    component.state = { ...component.state, ...change };
    if (canonicalJson(component.state) !== before) saveState(component.instance, component.state);
  }

  /** Changes what is being done to it now, which ends with this process. */
  become(activity: ComponentView['activity'], detail?: string): void {
    this.#component.activity = activity;
    this.#component.detail = detail;
    this.changed();
  }

  /** A start has begun: should this process end before it knows more, the next one looks what came of it. */
  begin(): Began {
    const began = { at: new Date().toISOString(), atMs: monotonicMs() };
    this.save({ starting: began, restartAtMs: undefined, gaveUp: undefined, ready: undefined });
    this.become('starting');
    return began;
  }

  /** It runs, or has run and its end is to be noticed. */
  started(
    began: Began,
    { process, conmon }: { process?: ProcessIdentity; conmon?: ProcessIdentity | undefined },
  ): void {
    this.save({
      phase: 'running',
      ...(process ? { process, conmon } : {}),
      starting: undefined,
      startedAt: began.at,
      startedAtMs: began.atMs,
      finishedAt: undefined,
      exitCode: undefined,
      oomKilled: undefined,
      error: undefined,
      stopReason: undefined,
      health: undefined,
    });
  }

  /** It could not be started, or will never be. */
  failed(error: string, more: Partial<ContainerState> = {}): void {
    const finishedAt = new Date().toISOString();
    this.save({ phase: 'exited', exitCode: 128, error, finishedAt, starting: undefined, ...more });
    this.become(undefined, error);
  }

  ended(exitCode: number, oomKilled: boolean): void {
    const finishedAt = new Date().toISOString();
    const gone = { process: undefined, conmon: undefined, health: undefined };
    this.save({ phase: 'exited', exitCode, oomKilled, finishedAt, ...gone });
  }

  event(action: string, attributes?: Record<string, string>): void {
    this.#hooks.event(this.#component, action, attributes);
  }

  changed(): void {
    this.#hooks.changed(this.#component);
  }

  gaveUp(): void {
    this.#hooks.gaveUp(this.#component);
  }
}

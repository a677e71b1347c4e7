import { monotonicMs } from '../../native/clock.ts';
import type { ComponentView } from '../component-view.ts';
import type { Mutex } from '../mutex.ts';
import { defaultRestart, failuresAfter, restartDelayMs, shouldRestart } from '../policy.ts';
import type { Notes } from './notes.ts';
import type { Waiting } from './waiting.ts';

export interface RestartsOptions {
  component: ComponentView;
  notes: Notes;
  waiting: Waiting;
  /** One thing at a time is done to the component. */
  mutex: Mutex;
  /** To be called within `mutex`. */
  start: () => Promise<void>;
}

/** Starts a component again that ended by itself, when and as often as its restart policy says. */
export class Restarts {
  readonly #options: RestartsOptions;

  constructor(options: RestartsOptions) {
    this.#options = options;
  }

  /** It has ended by itself after `ranMs`. */
  afterRun(exitCode: number, ranMs: number): void {
    const { component, notes } = this.#options;
    notes.save({ failures: failuresAfter(component.state.failures ?? 0, ranMs) || undefined });
    this.consider(exitCode);
  }

  /** It has ended by itself, or could not be started. */
  consider(exitCode: number): void {
    const { component, notes } = this.#options;
    const { kind, config, state } = component;
    if (isHeld(component) || !component.spec) return;
    const { failures = 0 } = state;
    const policy = config.restart ?? defaultRestart(kind);
    if (shouldRestart({ policy, kind, exitCode, failures })) {
      const restartAtMs = monotonicMs() + restartDelayMs(failures);
      notes.save({ failures: failures + 1, restartAtMs });
      this.#whenDue(restartAtMs);
    } else if (exitCode !== 0) {
      notes.save({ gaveUp: true });
      notes.gaveUp();
    }
  }

  /** Goes on where this process's predecessor was with a container that had ended. */
  resume(): void {
    const { component, notes } = this.#options;
    const { restartAtMs, gaveUp, exitCode = 0 } = component.state;
    if (restartAtMs !== undefined) this.#whenDue(restartAtMs);
    else if (gaveUp) notes.gaveUp();
    else this.consider(exitCode);
  }

  #whenDue(atMs: number): void {
    const { component, notes, waiting, mutex, start } = this.#options;
    const delayMs = Math.max(0, atMs - monotonicMs());
    const why = component.state.error ?? `exit code ${component.state.exitCode}`;
    const signal = waiting.begin(`restarting in ${Math.ceil(delayMs / 1000)} s after ${why}`);
    const timer = setTimeout(() => {
      if (signal.aborted) return;
      void mutex
        .run(async () => {
          if (signal.aborted || component.running || isHeld(component)) return;
          notes.save({ restarts: component.state.restarts + 1 });
          await start();
        })
        .catch(() => undefined);
    }, delayMs);
    signal.addEventListener('abort', () => clearTimeout(timer));
  }
}

/** Someone other than the container decided that it shall not run now. */
function isHeld({ state }: ComponentView): boolean {
  return state.wish === 'stop' || state.stopReason !== undefined;
}

import type { ComponentView } from '../component-view.ts';
import type { Notes } from './notes.ts';

/** What a component waits for before it starts: a dependency, or the moment of its next restart. */
export class Waiting {
  readonly #component: ComponentView;
  readonly #notes: Notes;
  #ends: AbortController | undefined;

  constructor(component: ComponentView, notes: Notes) {
    this.#component = component;
    this.#notes = notes;
  }

  /** Marks it as waiting; returns the signal that ends the wait. */
  begin(detail: string): AbortSignal {
    this.#ends?.abort();
    this.#ends = new AbortController();
    this.#notes.become('waiting', detail);
    return this.#ends.signal;
  }

  describe(detail: string): void {
    const { activity, detail: before } = this.#component;
    if (activity === 'waiting' && before !== detail) this.#notes.become('waiting', detail);
  }

  /** For good: a restart that was to come is not to be any more. */
  cancel(): void {
    if (this.#component.state.restartAtMs !== undefined) this.#notes.save({ restartAtMs: undefined });
    this.end();
    if (this.#component.activity === 'waiting') this.#notes.become(undefined);
  }

  /** In this process: something else is done to it now, or the next process waits on. */
  end(): void {
    this.#ends?.abort();
    this.#ends = undefined;
  }
}

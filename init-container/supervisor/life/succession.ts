import { setTimeout as delay } from 'node:timers/promises';
import type { ComponentSpec } from '../../../src/shared/definition/revision.ts';
import type { Engine } from '../../engine/engine.ts';
import { otherInstance } from '../../engine/paths.ts';
import { journal } from '../../native/journal.ts';
import type { ComponentView } from '../component-view.ts';
import type { Notes } from './notes.ts';

/** What is left of the last container is not cleared away while the next one's program comes up: it needs the processor. */
const clearAfterMs = 300;

/** One container of a component after the other: makes the next one, and clears away what is left of the last one. */
export class Succession {
  readonly #component: ComponentView;
  readonly #engine: Engine;
  readonly #notes: Notes;
  #clearing: Promise<void> = Promise.resolve();
  #pause = new AbortController();

  constructor(component: ComponentView, engine: Engine, notes: Notes) {
    this.#component = component;
    this.#engine = engine;
    this.#notes = notes;
  }

  /** The name of the container that could come up beside this one, once what was left of the last such one is gone. */
  async spareInstance(): Promise<string> {
    this.#pause.abort();
    await this.#clearing;
    return otherInstance(this.#component.instance);
  }

  /** Makes the next container and stops short of letting it run. */
  async prepare(spec: ComponentSpec): Promise<void> {
    await this.#engine.prepare(await this.spareInstance(), spec);
  }

  /** Clears away what was prepared from another specification than this, or, without one, from any. */
  dropPrepared(unless?: ComponentSpec): void {
    const spare = otherInstance(this.#component.instance);
    if (!this.#engine.isPrepared(spare) || (unless && this.#engine.isPrepared(spare, unless))) return;
    this.#clear(spare);
  }

  /** Goes on as another container. Returns how to clear away what is left of the present one, which has ended. */
  leaveFor(instance: string): () => void {
    const { record, instance: old } = this.#component;
    this.#component.instance = instance;
    return () => {
      if (record) this.#notes.event('destroy', { id: record.id, image: record.image.ref });
      this.#clear(old, clearAfterMs);
    };
  }

  /** In the background, after a pause that ends when the next container is wanted: that one waits for it. */
  #clear(instance: string, pauseMs = 0): void {
    this.#pause.abort();
    this.#pause = new AbortController();
    const { signal } = this.#pause;
    this.#clearing = this.#clearing
      .then(() => delay(pauseMs, undefined, { signal }))
      .catch(() => undefined)
      .then(() => this.#engine.forget(instance))
      .catch((error: Error) => journal(`${instance}: what is left of it cannot be removed: ${error.message}`));
  }
}

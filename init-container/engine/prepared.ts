import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { isRunning } from '../native/processes.ts';
import type { Created } from './create.ts';
import { specKey } from './record.ts';

/** Containers that were made ahead of time and wait to be let run. */
export class Prepared {
  readonly #created = new Map<string, Created>();

  keep(instance: string, created: Created): void {
    this.#created.set(instance, created);
  }

  /** Whether there is one, made from this specification if one is given. It may have been killed meanwhile. */
  has(instance: string, spec?: ComponentSpec): boolean {
    const record = this.#created.get(instance)?.started.record;
    return record !== undefined && (spec === undefined || record.specKey === specKey(spec));
  }

  /** Whether one that was made from this specification can still be let run. */
  async isAlive(instance: string, spec: ComponentSpec): Promise<boolean> {
    const created = this.#created.get(instance);
    return created !== undefined && this.has(instance, spec) && isRunning(created.started.process);
  }

  /** Hands over one that was made from this specification; undefined when there is none that can still be let run. */
  async take(instance: string, spec: ComponentSpec): Promise<Created | undefined> {
    const created = this.#created.get(instance);
    if (!created || !this.has(instance, spec)) return undefined;
    this.#created.delete(instance);
    if (await isRunning(created.started.process)) return created;
    created.started.notify?.close();
    return undefined;
  }

  /** It is not going to run. What crun and the folders have of it stays. */
  drop(instance: string): void {
    this.#created.get(instance)?.started.notify?.close();
    this.#created.delete(instance);
  }
}

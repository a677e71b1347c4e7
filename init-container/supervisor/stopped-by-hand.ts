import { z } from 'zod';
import { journal } from '../native/journal.ts';
import { readIfThere, writeFileDurably } from '../store/durable.ts';
import { Mutex } from './mutex.ts';

const fileSchema = z.array(z.string());

/**
 * The components that a person stopped, over reboots: as with Docker, `unless-stopped` stays stopped then, and `always`
 * starts again. A file on the data partition, so that without one every boot is like the first.
 */
export class StoppedByHand {
  readonly #path: string;
  readonly #names: Set<string>;
  readonly #mutex = new Mutex();

  private constructor(path: string, names: Set<string>) {
    this.#path = path;
    this.#names = names;
  }

  /** A file that cannot be read counts as empty: everything starts, as on the first boot. */
  static async open(path: string): Promise<StoppedByHand> {
    try {
      const text = await readIfThere(path);
      return new StoppedByHand(path, new Set(text === undefined ? [] : fileSchema.parse(JSON.parse(text))));
    } catch (error) {
      journal(
        `${path} cannot be read, so components that were stopped by hand start again: ${(error as Error).message}`,
      );
      return new StoppedByHand(path, new Set());
    }
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Never rejects: a full disk must not keep a person from stopping something. */
  remember(name: string): Promise<void> {
    return this.#change(() => !this.#names.has(name) && this.#names.add(name));
  }

  forget(name: string): Promise<void> {
    return this.#change(() => this.#names.delete(name));
  }

  #change(change: () => unknown): Promise<void> {
    return this.#mutex.run(async () => {
      if (!change()) return;
      await writeFileDurably(this.#path, JSON.stringify([...this.#names])).catch((error: Error) => {
        journal(`which components are stopped by hand is not kept over a reboot: ${error.message}`);
      });
    });
  }
}

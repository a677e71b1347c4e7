import type { Digest } from '../../src/shared/oci/types.ts';
import type { Revisions } from '../revisions/types.ts';
import type { Needs } from './garbage.ts';
import { type InventoryReader, imagesOf } from './inventory.ts';
import type { Uploads } from './uploads.ts';

/** An image that was announced is left in peace for so long, until the swap that it came for has made a revision. */
const announcedMs = 10 * 60_000;

export interface NeededOptions {
  revisions: Revisions;
  inventory: InventoryReader;
  /** Images of containers that exist, running or not: their layers are mounted. */
  imagesInUse: () => readonly Digest[];
  /** Other images that something may start: those of parts. */
  imagesOfParts: () => Promise<readonly Digest[]>;
  uploads: Pick<Uploads, 'active'>;
}

/** Knows what must stay on the device, and why. */
export class Needed {
  readonly #options: NeededOptions;
  readonly #announced = new Map<Digest, { atMs: number; newest: number }>();
  /** Layers that are arriving. */
  #uploads = 0;

  constructor(options: NeededOptions) {
    this.#options = options;
  }

  /** An image is being sent, for a swap that will begin soon. */
  noteAnnounced(digest: Digest): void {
    const newest = Math.max(...this.#options.revisions.list().revisions.map(({ number }) => number));
    this.#announced.set(digest, { atMs: performance.now(), newest });
  }

  /** A layer is arriving, which may take longer than anything: what was announced stays until then, and a while after. */
  async whileUploading<T>(work: () => Promise<T>): Promise<T> {
    this.#uploads += 1;
    try {
      return await work();
    } finally {
      this.#uploads -= 1;
      for (const announced of this.#announced.values()) announced.atMs = performance.now();
    }
  }

  /** What must stay, and these images. */
  async needs(others: readonly Digest[] = []): Promise<Needs> {
    const { revisions, inventory, imagesInUse, imagesOfParts } = this.#options;
    const { current, previous } = revisions.list();
    const factory = revisions.get(0)?.revision;
    const elsewhere = await inventory.revisionsOfOthers();
    const always = [
      ...(factory ? [factory] : []),
      ...elsewhere.flatMap((one) => (one.startable ? [one.revision] : [])),
    ];
    // An image can be sent once more, the data of a volume cannot.
    const withData = [...always, ...elsewhere.map(({ revision }) => revision)];
    const parts = await imagesOfParts();
    return {
      revisions: new Set([current, ...(previous === undefined ? [] : [previous])]),
      images: new Set([...always.flatMap(imagesOf), ...imagesInUse(), ...parts, ...this.#pinned(), ...others]),
      volumes: new Set(withData.flatMap((revision) => inventory.volumesOf(revision))),
      uploads: new Set(this.#options.uploads.active()),
    };
  }

  /** Why an image may not be removed, for people; undefined when nothing needs it. */
  async whyImage(digest: Digest): Promise<string | undefined> {
    const { revisions, imagesInUse, imagesOfParts } = this.#options;
    // First of all: an image whose revision is there now is needed by that alone from now on.
    const pinned = this.#pinned();
    const list = revisions.list().revisions;
    const user = list.find(({ number }) => imagesOf(revisions.get(number)?.revision).includes(digest));
    if (user) return `revision ${user.number} (${user.state}) needs it`;
    if (imagesInUse().includes(digest)) return 'a container needs it';
    if ((await imagesOfParts()).includes(digest)) return 'the device may go back to it by itself';
    return pinned.includes(digest) ? 'it was sent just now, for a swap' : undefined;
  }

  /** Announced, and not yet in a revision that was made since. */
  #pinned(): Digest[] {
    const { revisions } = this.#options;
    const numbers = revisions.list().revisions.map(({ number }) => number);
    for (const [digest, { atMs, newest }] of this.#announced) {
      const taken = numbers.some((n) => n > newest && imagesOf(revisions.get(n)?.revision).includes(digest));
      const late = this.#uploads === 0 && performance.now() - atMs > announcedMs;
      if (taken || late) this.#announced.delete(digest);
    }
    return [...this.#announced.keys()];
  }
}

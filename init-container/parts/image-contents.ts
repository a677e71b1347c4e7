import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { UpgradeBases } from '../../src/shared/api/types.ts';
import { digestSchema } from '../../src/shared/definition/revision.ts';
import { type ByteSource, bufferSource, fileSource } from '../../src/shared/delta/byte-source.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { readIfThere, writeFileDurably } from '../store/durable.ts';
import type { LayerContents } from '../store/layer-contents.ts';
import { squashfsBytes } from './root-device.ts';
import type { Slots } from './slots.ts';
import { digestOfBytes } from './write-image.ts';

export interface ImageContentsOptions {
  slots: Slots;
  /** See `rootDevice`. */
  rootDevice: () => Promise<string | undefined>;
  /** Makes the initramfs anew that the image on the disk was started with: nothing of it is kept. */
  factoryInitramfs: () => Promise<Buffer>;
  /** The contents of the layers of this device, as they are now. */
  layerContents: () => Promise<LayerContents>;
  /** The data partition. */
  data: string;
}

interface Place {
  name: string;
  size: number;
  digest: Digest;
  path: string;
}

/** By the id of the image: the same id is the same root image, wherever it lies. */
const rootDigestsSchema = z.record(z.string(), z.strictObject({ size: z.number(), digest: digestSchema }));
type RootDigests = z.infer<typeof rootDigestsSchema>;

/**
 * The files of whole images that are on this device, by their SHA-256: those of slots that stay, and the root image that runs.
 * Whether the bytes are still right is not checked when they are read: the digest of what is made of them tells.
 */
export class ImageContents {
  readonly #options: ImageContentsOptions;
  #listing: Promise<Place[]> | undefined;

  constructor(options: ImageContentsOptions) {
    this.#options = options;
  }

  /** Files that a difference may build on. Hashes a root image the first time that it is asked for it. */
  async list(): Promise<UpgradeBases['files']> {
    const places = await this.#places();
    const inLayers = (await this.#options.layerContents()).named('kernel');
    const initrd = await this.#initramfs();
    const made = initrd ? [{ name: 'initrd.img', size: initrd.length, digest: digestOf(initrd) }] : [];
    const all = [...places, ...made, ...inLayers.map((content) => ({ name: 'kernel', ...content }))];
    const byDigest = new Map(all.map(({ name, size, digest }) => [digest, { name, size, digest }]));
    return [...byDigest.values()];
  }

  /** What `rebuildTar` reads, as it is now. */
  async open(): Promise<Pick<LayerContents, 'openRecipe' | 'openContent'>> {
    const places = await this.#places();
    const layers = await this.#options.layerContents();
    const initrd = await this.#initramfs();
    const made = initrd && digestOf(initrd);
    return {
      openRecipe: (id) => layers.openRecipe(id),
      openContent: async (sha256) => {
        if (initrd && sha256 === made) return bufferSource(initrd);
        const place = places.find(({ digest }) => digest === sha256);
        return (place && (await openPlace(place))) ?? layers.openContent(sha256);
      },
    };
  }

  /** Undefined when another one was started, or it cannot be made. */
  async #initramfs(): Promise<Buffer | undefined> {
    const { slots, factoryInitramfs } = this.#options;
    return slots.booted.slot === undefined ? factoryInitramfs().catch(() => undefined) : undefined;
  }

  /** Root images are hashed anew: what was made of them was wrong. */
  async forget(): Promise<void> {
    await rm(this.#notePath, { force: true });
  }

  /** Two that ask at the same time wait for the same. */
  #places(): Promise<Place[]> {
    this.#listing ??= this.#find().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #find(): Promise<Place[]> {
    const { slots, rootDevice } = this.#options;
    const places: Place[] = [];
    // What runs comes first: the next image is most like it.
    const { image } = slots.booted;
    const roots = new Map([[image, (await rootDevice()) ?? '']]);
    const staying = await slots.staying();
    for (const { slot, content } of staying.toSorted(
      (a, b) => Number(b.slot === slots.running) - Number(a.slot === slots.running),
    )) {
      const folder = slots.folder(slot);
      for (const [name, digest] of await slots.sums(slot)) {
        const path = join(folder, name);
        const size = (await stat(path).catch(() => undefined))?.size;
        if (name !== 'cmdline' && size) places.push({ name, size, digest, path });
      }
      const id = content.split('.')[0] ?? content;
      if (id !== image) roots.set(id, join(folder, 'root.img'));
    }
    return [...places, ...(await this.#roots(roots))];
  }

  /** `paths`: of root images, by the ids of their images. */
  async #roots(paths: ReadonlyMap<string, string>): Promise<Place[]> {
    const known = await this.#knownRoots();
    const found: RootDigests = {};
    const places: Place[] = [];
    for (const [id, path] of paths) {
      const size = await squashfsBytes(path);
      if (size === undefined) continue;
      const kept = known[id];
      const digest = kept?.size === size ? kept.digest : await digestOfBytes(path, size).catch(() => undefined);
      // A disk that cannot be read is no base.
      if (digest === undefined) continue;
      found[id] = { size, digest };
      places.push({ name: 'root.img', size, digest, path });
    }
    if (JSON.stringify(found) !== JSON.stringify(known)) await writeFileDurably(this.#notePath, JSON.stringify(found));
    return places;
  }

  get #notePath(): string {
    return join(this.#options.data, 'root-images.json');
  }

  /** What is lost or damaged is hashed again. */
  async #knownRoots(): Promise<RootDigests> {
    try {
      return rootDigestsSchema.parse(JSON.parse((await readIfThere(this.#notePath)) ?? '{}'));
    } catch {
      return {};
    }
  }
}

async function openPlace({ path, size }: Place): Promise<ByteSource | undefined> {
  const file = await open(path).catch(() => undefined);
  return file && { ...fileSource(file, 0, size), close: () => file.close() };
}

import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AnnounceImage, GarbageItem, ImageOffer, StorageInfo } from '../../src/shared/api/types.ts';
import { type Digest, mediaTypes } from '../../src/shared/oci/types.ts';
import { formatBytes } from '../../src/shared/text/format.ts';
import { diskUsage, fileSystemRoom } from './disk-usage.ts';
import { quarantineName, syncDirectory } from './durable.ts';
import { StoreError } from './errors.ts';
import { type Collection, type Inventory, type Needs, planCollection } from './garbage.ts';
import { type LayerStore, reserveBytes } from './image-store.ts';
import { type InventoryOptions, InventoryReader, imagesOf } from './inventory.ts';

export interface CollectorOptions extends InventoryOptions {
  /** Images of containers that exist, running or not: their layers are mounted. */
  imagesInUse: () => readonly Digest[];
  /** Other images that something may start: those of parts. */
  imagesOfParts: () => Promise<readonly Digest[]>;
  /** What is under way when nothing may be removed now: "a swap"; else undefined. */
  busyWith: () => string | undefined;
  /** What the start found damaged. */
  damage?: string;
  log: (message: string) => void;
}

/** An image that was announced is left in peace for so long, until the swap that it came for has made a revision. */
const announcedMs = 10 * 60_000;
/** Of the bytes that travel: packed layers become larger, and every file ends in a part of a block. */
const unpackedFactor = 3;
const overheadBytes = 256 << 10;
/** Sizes are read again after so long even when nothing was changed through here. */
const figuresMs = 10_000;

/** Keeps room on the data folder: says what may go, removes it, and sees to room for what arrives. */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #announced = new Map<Digest, { atMs: number; newest: number }>();
  readonly #inventory: InventoryReader;
  #figures: { atMs: number; storage: Promise<StorageInfo> } | undefined;
  /** One collection at a time. */
  #collecting: Promise<unknown> = Promise.resolve();

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#inventory = new InventoryReader(options);
  }

  /** What `collect` would remove now. */
  async preview(): Promise<Collection> {
    const needs = await this.#needs();
    return planCollection(await this.#inventory.read(needs), needs);
  }

  /**
   * Removes what may go, until `wanted` bytes more are free. A swap that begins meanwhile ends it. `StoreError` (refused)
   * when it cannot begin.
   */
  collect(wanted?: number): Promise<Collection> {
    const done = this.#collecting.then(() => this.#collect(wanted));
    this.#collecting = done.catch(() => undefined);
    return done;
  }

  /** Removes images that no revision and no container needs; with a digest only that one. Revisions all stay. */
  async collectImages(only?: Digest): Promise<Collection> {
    this.#expectIdle();
    const needs = await this.#needs();
    const inventory = await this.#inventory.read(needs);
    const all = new Set(inventory.revisions.map(({ number }) => number));
    const keep = new Set([
      ...needs.images,
      ...inventory.images.flatMap(({ digest }) => (digest === only ? [] : [digest])),
    ]);
    const images = only === undefined ? needs.images : keep;
    return this.#carryOut(planCollection(inventory, { ...needs, revisions: all, images }), inventory);
  }

  /** Why an image may not be removed, for people; undefined when nothing needs it. */
  async whyNeeded(digest: Digest): Promise<string | undefined> {
    const { revisions, imagesInUse, imagesOfParts } = this.#options;
    const pinned = this.#pinned();
    const list = revisions.list().revisions;
    const user = list.find(({ number }) => imagesOf(revisions.get(number)?.revision).includes(digest));
    if (user) return `revision ${user.number} (${user.state}) needs it`;
    if (imagesInUse().includes(digest)) return 'a container needs it';
    if ((await imagesOfParts()).includes(digest)) return 'the device may go back to it by itself';
    return pinned.includes(digest) ? 'it was sent just now, for a swap' : undefined;
  }

  /** As the store's, with room made for the image: `StoreError` (full) when there cannot be enough, before anything is sent. */
  async announce(image: AnnounceImage): Promise<ImageOffer> {
    const newest = Math.max(...this.#options.revisions.list().revisions.map(({ number }) => number));
    this.#announced.set(image.digest, { atMs: performance.now(), newest });
    if ((await this.#freeBytes()) < 0) await this.#makeRoom(reserveBytes);
    const offer = await this.#explained(() => this.#options.store.announce(image));
    this.#figures = undefined;
    const needBytes = offer.missing.reduce((sum, layer) => sum + estimate(layer), 0);
    const least = offer.missing.reduce((sum, { size }) => sum + size, 0);
    const before = await this.#freeBytes();
    const collectedBytes = needBytes > before ? await this.#makeRoom(needBytes - before) : 0;
    const freeBytes = Math.max(0, await this.#freeBytes());
    const reclaimableBytes = (await this.preview()).bytes;
    if (least > freeBytes) {
      throw new StoreError(
        'full',
        `${image.ref} does not fit on the device's data partition: it needs more than ${formatBytes(least)}, ` +
          `${formatBytes(freeBytes)} are free and ${formatBytes(reclaimableBytes)} could be freed; nothing was changed`,
      );
    }
    return { ...offer, room: { needBytes, freeBytes, collectedBytes, reclaimableBytes } };
  }

  /** As the store's; a full disk is explained. */
  async putLayer(...layer: Parameters<LayerStore['putLayer']>): Promise<void> {
    try {
      await this.#explained(() => this.#options.store.putLayer(...layer));
    } finally {
      this.#figures = undefined;
    }
  }

  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'full') throw error;
      const [free, { bytes }] = [Math.max(0, await this.#freeBytes()), await this.preview()];
      const figures = `${formatBytes(free)} are free, and "gantry gc" could free ${formatBytes(bytes)}`;
      throw new StoreError('full', `${error.message}; ${figures}`, error);
    }
  }

  storage(): Promise<StorageInfo> {
    const nowMs = performance.now();
    if (!this.#figures || nowMs - this.#figures.atMs > figuresMs)
      this.#figures = { atMs: nowMs, storage: this.#storage() };
    return this.#figures.storage;
  }

  async #storage(): Promise<StorageInfo> {
    const { data, damage } = this.#options;
    const [room, reclaimable, quarantinedBytes] = await Promise.all([
      fileSystemRoom(data),
      this.preview(),
      diskUsage(join(data, quarantineName)),
    ]);
    return {
      ...room,
      reclaimableBytes: reclaimable.bytes,
      quarantinedBytes,
      ...(damage === undefined ? {} : { damage }),
    };
  }

  async #collect(wanted: number | undefined): Promise<Collection> {
    this.#expectIdle();
    const needs = await this.#needs();
    const inventory = await this.#inventory.read(needs);
    return this.#carryOut(planCollection(inventory, needs, wanted), inventory);
  }

  /** How many bytes it freed. Nothing when a swap is under way: that one has what it needs. */
  async #makeRoom(wanted: number): Promise<number> {
    if (this.#options.busyWith() !== undefined) return 0;
    return (await this.collect(wanted)).bytes;
  }

  async #carryOut(planned: Collection, inventory: Inventory): Promise<Collection> {
    const done: Collection = { items: [], bytes: 0 };
    this.#figures = undefined;
    for (const item of planned.items) {
      // Asked before each: from its beginning on, a swap decides what is needed.
      if (this.#options.busyWith() !== undefined) break;
      await this.#remove(item, inventory);
      done.items.push(item);
      done.bytes += item.bytes;
    }
    if (done.items.length > 0) this.#options.log(`made room: ${describe(done)}`);
    return done;
  }

  async #remove({ kind, name }: GarbageItem, { images, documents }: Inventory): Promise<void> {
    const { data, revisions, store } = this.#options;
    switch (kind) {
      case 'revision':
        return revisions.collect([Number(name)]);
      case 'image': {
        const image = images.find((known) => known.name === name);
        if (!image) return;
        const others = images.filter(({ digest }) => digest !== image.digest && store.knows(digest));
        const shared = new Set(others.flatMap((other) => other.documents));
        await store.forget(image.digest);
        for (const file of image.documents)
          if (documents.has(file) && !shared.has(file)) await this.#unlink('blobs', file);
        return;
      }
      case 'layer':
        await this.#unlink('layers', name);
        return this.#unlink('seals', name);
      case 'document':
        return this.#unlink('blobs', name);
      case 'volume':
        return this.#discard(join(data, name));
    }
  }

  #unlink(folder: string, name: string): Promise<void> {
    return this.#discard(join(this.#options.data, folder, name));
  }

  /** In one step out of the way, and then for good: never half there under its name. */
  async #discard(path: string): Promise<void> {
    const { data } = this.#options;
    const gone = join(data, 'staging', `gone-${randomUUID()}`);
    await rename(path, gone);
    await syncDirectory(join(path, '..'));
    await rm(gone, { recursive: true, force: true });
  }

  async #needs(): Promise<Needs> {
    const { revisions, imagesInUse, imagesOfParts } = this.#options;
    const { current, previous } = revisions.list();
    const factory = revisions.get(0)?.revision;
    const others = await this.#inventory.revisionsOfOthers();
    const always = [...(factory ? [factory] : []), ...others.flatMap((one) => (one.startable ? [one.revision] : []))];
    const parts = await imagesOfParts();
    // An image can be sent once more, the data of a volume cannot.
    const withData = [...always, ...others.map(({ revision }) => revision)];
    const volumes = await Promise.all(withData.map((revision) => this.#inventory.volumesOf(revision)));
    return {
      revisions: new Set([current, ...(previous === undefined ? [] : [previous])]),
      images: new Set([...always.flatMap(imagesOf), ...imagesInUse(), ...parts, ...this.#pinned()]),
      volumes: new Set(volumes.flat()),
    };
  }

  /** Announced, and not yet in a revision that was made since. */
  #pinned(): Digest[] {
    const { revisions } = this.#options;
    const numbers = revisions.list().revisions.map(({ number }) => number);
    for (const [digest, { atMs, newest }] of this.#announced) {
      const taken = numbers.some((n) => n > newest && imagesOf(revisions.get(n)?.revision).includes(digest));
      if (taken || performance.now() - atMs > announcedMs) this.#announced.delete(digest);
    }
    return [...this.#announced.keys()];
  }

  /** What layers may take; negative when even the reserve is gone. */
  async #freeBytes(): Promise<number> {
    return (await fileSystemRoom(this.#options.data)).freeBytes - reserveBytes;
  }

  #expectIdle(): void {
    const busy = this.#options.busyWith();
    if (busy !== undefined)
      throw new StoreError('refused', `nothing is removed while ${busy} is under way; try again later`);
  }
}

/** "12.3 MB: 2 revisions, 1 image, 3 layers". */
export function describe({ items, bytes }: Collection): string {
  const counts = new Map<string, number>();
  for (const { kind } of items) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const words = [...counts].map(([kind, count]) => `${count} ${kind}${count === 1 ? '' : 's'}`);
  return `${formatBytes(bytes)}: ${words.join(', ')}`;
}

function estimate({ size, mediaType }: ImageOffer['missing'][number]): number {
  return (mediaType === mediaTypes.layer ? size : size * unpackedFactor) + overheadBytes;
}

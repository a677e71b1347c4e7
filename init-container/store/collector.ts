import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { AnnouncedImage, ImageOffer, StorageInfo } from '../../src/shared/api/types.ts';
import { deltaMediaType } from '../../src/shared/delta/format.ts';
import { type Digest, mediaTypes } from '../../src/shared/oci/types.ts';
import { countKinds } from '../../src/shared/text/count-kinds.ts';
import { formatBytes } from '../../src/shared/text/format.ts';
import { Mutex } from '../supervisor/mutex.ts';
import { diskUsage, fileSystemRoom } from './disk-usage.ts';
import { quarantineName } from './durable.ts';
import { isFull, StoreError } from './errors.ts';
import { type Collection, type Inventory, planCollection, reclaimableBytes } from './garbage.ts';
import { type LayerStore, reserveBytes } from './image-store.ts';
import { type InventoryOptions, InventoryReader } from './inventory.ts';
import { Needed } from './needed.ts';
import { removeItem } from './removal.ts';
import type { UploadPiece, Uploads } from './uploads.ts';

export interface CollectorOptions extends InventoryOptions {
  /** Images of containers that exist, running or not: their layers are mounted. */
  imagesInUse: () => readonly Digest[];
  /** Other images that something may start: those of parts. */
  imagesOfParts: () => Promise<readonly Digest[]>;
  uploads: Uploads;
  /** What is under way when nothing may be removed now: "a swap"; else undefined. */
  busyWith: () => string | undefined;
  /** What the start found damaged. */
  damage?: string;
  log: (message: string) => void;
}

/** Of the bytes that travel: packed layers become larger, and every file ends in a part of a block. */
const unpackedFactor = 3;
const overheadBytes = 256 << 10;
/** Sizes are read again after so long even when nothing was changed through here. */
const figuresMs = 10_000;

type MissingLayer = Pick<ImageOffer['missing'][number], 'size' | 'mediaType'>;

/** An image that would be sent, with the layers that the device lacks. */
export interface RoomRequest {
  digest: Digest;
  missing: readonly MissingLayer[];
}

/** Keeps room on the data folder: says what may go, removes it, and sees to room for what arrives. */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #inventory: InventoryReader;
  readonly #needed: Needed;
  #figures: { atMs: number; storage: Promise<StorageInfo> } | undefined;
  /** Uploads that layers are made of now. */
  readonly #unpacking = new Map<string, Promise<void>>();
  /** One collection at a time, and no image is announced meanwhile: what is about to go would be taken for being there. */
  readonly #turns = new Mutex();

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#inventory = new InventoryReader(options);
    this.#needed = new Needed({ ...options, inventory: this.#inventory });
  }

  /** What `collect` would remove now. */
  async preview(): Promise<Collection> {
    const needs = await this.#needed.needs();
    return planCollection(await this.#inventory.read(needs), needs);
  }

  /** How much `collect` would free: asked at each announcement and by everybody who looks at the device. */
  async #reclaimableBytes(): Promise<number> {
    const needs = await this.#needed.needs();
    return reclaimableBytes(await this.#inventory.read(needs), needs);
  }

  /**
   * Removes what may go, until `wanted` bytes more are free. A swap that begins meanwhile ends it. `StoreError` (refused)
   * when it cannot begin.
   */
  collect(wanted?: number): Promise<Collection> {
    return this.#turns.run(() => this.#collect(wanted));
  }

  /** Removes images that no revision and no container needs; with a digest only that one. Revisions all stay. */
  collectImages(only?: Digest): Promise<Collection> {
    return this.#turns.run(() => this.#collectImages(only));
  }

  async #collectImages(only: Digest | undefined): Promise<Collection> {
    this.#expectIdle();
    const needs = await this.#needed.needs();
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
  whyNeeded(digest: Digest): Promise<string | undefined> {
    return this.#needed.whyImage(digest);
  }

  /** What announcing these images would remove to make room for what the device lacks of them. Changes nothing. */
  async previewRoom(images: readonly RoomRequest[]): Promise<Collection> {
    const wanted = await this.#shortBytes(images.flatMap(({ missing }) => missing));
    if (wanted === 0) return { items: [], bytes: 0 };
    const needs = await this.#needed.needs(images.map(({ digest }) => digest));
    return planCollection(await this.#inventory.read(needs), needs, wanted);
  }

  /** As the store's, with room made for the image: `StoreError` (full) when there cannot be enough, before anything is sent. */
  async announce(image: AnnouncedImage): Promise<ImageOffer> {
    this.#needed.noteAnnounced(image.digest);
    if ((await this.#freeBytes()) < 0) await this.#makeRoom(reserveBytes);
    const offer = await this.#explained(() => this.#turns.run(() => this.#options.store.announce(image)));
    this.#figures = undefined;
    const needBytes = offer.missing.reduce((sum, layer) => sum + estimate(layer), 0);
    const least = offer.missing.reduce((sum, { size }) => sum + size, 0);
    const before = await this.#freeBytes();
    const collectedBytes = needBytes > before ? await this.#makeRoom(needBytes - before) : 0;
    const freeBytes = Math.max(0, await this.#freeBytes());
    if (least > freeBytes) {
      const reclaimableBytes = await this.#reclaimableBytes();
      throw new StoreError(
        'full',
        `${image.ref} does not fit on the device's data partition: it needs more than ${formatBytes(least)}, ` +
          `${formatBytes(freeBytes)} are free and ${formatBytes(reclaimableBytes)} could be freed; nothing was changed`,
      );
    }
    return { ...offer, room: { needBytes, freeBytes, collectedBytes } };
  }

  /** As the store's; a full disk is explained. */
  putLayer(...layer: Parameters<LayerStore['putLayer']>): Promise<void> {
    return this.#put((store) => store.putLayer(...layer));
  }

  async #put(put: (store: LayerStore) => Promise<void>): Promise<void> {
    try {
      await this.#explained(() => this.#needed.whileUploading(() => put(this.#options.store)));
    } finally {
      this.#figures = undefined;
    }
  }

  /** As of `Uploads`. */
  uploadOffset(digest: Digest): Promise<number> {
    return this.#options.uploads.offset(digest);
  }

  /**
   * Takes a part of a blob, with room made for it and for what will be unpacked from it. `StoreError` (full): before
   * anything of it is taken; such a blob can still be sent in one piece, of which nothing is kept beside. `madeBytes`: so much is made
   * of it.
   */
  async receiveUpload(
    digest: Digest,
    piece: UploadPiece,
    source: AsyncIterable<Uint8Array>,
    madeBytes = piece.length * unpackedFactor,
  ): Promise<number> {
    const { uploads } = this.#options;
    const here = await uploads.offset(digest);
    const needed = Math.max(0, piece.length - here) + madeBytes + overheadBytes;
    const free = await this.#freeBytes();
    if (needed > free) await this.#makeRoom(needed - free);
    const noRoom = `there is no room to keep ${formatBytes(piece.length)} until all have arrived`;
    if (needed > (await this.#freeBytes())) {
      await uploads.remove(digest);
      throw new StoreError('full', noRoom);
    }
    try {
      return await this.#needed.whileUploading(() => uploads.append(digest, piece, source));
    } catch (error) {
      if (!isFull(error)) throw error;
      // Something else took the room; what came so far must not take what is left.
      await uploads.remove(digest);
      throw new StoreError('full', noRoom, error);
    }
  }

  /**
   * As `putLayer`, of a blob that was uploaded, which is gone afterwards unless only room was missing. Who asks again meanwhile,
   * because the connection broke, gets the same answer, and who asks later the one for a layer that is here.
   */
  putUploadedLayer(diffId: Digest, digest: Digest, mediaType: string): Promise<void> {
    const key = `${diffId} ${digest} ${mediaType}`;
    const unpacking =
      this.#unpacking.get(key) ??
      this.#unpackUpload(diffId, digest, mediaType).finally(() => this.#unpacking.delete(key));
    this.#unpacking.set(key, unpacking);
    return unpacking;
  }

  async #unpackUpload(diffId: Digest, digest: Digest, mediaType: string): Promise<void> {
    const { uploads, store } = this.#options;
    if (await store.hasLayer(diffId)) return uploads.remove(digest);
    if ((await uploads.offset(digest)) === 0)
      throw new StoreError('unknown', `nothing of ${digest} was uploaded to this device; send it again`);
    try {
      const file = uploads.file(digest);
      if (mediaType === deltaMediaType) await this.#put((store) => store.putDifference(diffId, { file, digest }));
      else await this.putLayer(diffId, digest, mediaType, createReadStream(file, { highWaterMark: 256 << 10 }));
    } catch (error) {
      if (error instanceof StoreError && error.kind !== 'full') await uploads.remove(digest);
      throw error;
    }
    await uploads.remove(digest);
  }

  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'full') throw error;
      const [free, bytes] = [Math.max(0, await this.#freeBytes()), await this.#reclaimableBytes()];
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
      this.#reclaimableBytes(),
      diskUsage(join(data, quarantineName)),
    ]);
    return {
      ...room,
      reclaimableBytes: reclaimable,
      quarantinedBytes,
      ...(damage === undefined ? {} : { damage }),
    };
  }

  async #collect(wanted: number | undefined): Promise<Collection> {
    this.#expectIdle();
    const needs = await this.#needed.needs();
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
      await removeItem(this.#options, item, inventory);
      done.items.push(item);
      done.bytes += item.bytes;
    }
    if (done.items.length > 0) this.#options.log(`made room: ${describe(done)}`);
    return done;
  }

  /** How many bytes must be freed before these layers fit; 0 when they do. */
  async #shortBytes(missing: readonly MissingLayer[]): Promise<number> {
    const free = await this.#freeBytes();
    const needed = missing.reduce((sum, layer) => sum + estimate(layer), 0);
    return Math.max(0, needed - free, free < 0 ? reserveBytes : 0);
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
  return `${formatBytes(bytes)}: ${countKinds(items)}`;
}

function estimate({ size, mediaType }: MissingLayer): number {
  return (mediaType === mediaTypes.layer ? size : size * unpackedFactor) + overheadBytes;
}

import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AnnounceImage, ImageOffer } from '../../src/shared/api/types.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { digestOf, hexOf, isDigest } from '../../src/shared/oci/digest.ts';
import type { Arch, Digest } from '../../src/shared/oci/types.ts';
import { fileSystemRoom } from './disk-usage.ts';
import { ensureFolder, exists, setAside, syncDirectory, syncFileSystem, writeFileDurably } from './durable.ts';
import { errorCode, isFull, messageOf, StoreError } from './errors.ts';
import type { StoredDocuments } from './garbage.ts';
import { type ImageDocuments, type ImageLayer, parseImage } from './image-documents.ts';
import { LayerSeals } from './layer-seals.ts';
import { isLayerMediaType, receiveLayer } from './receive-layer.ts';
import { References } from './references.ts';
import type { ImageStore, ImageSummary, StoredImage } from './types.ts';

export interface StoreOptions {
  /** `devicePaths`, or folders of a test. */
  paths?: { factoryLayers: string; factoryBlobs: string; data: string };
  /** What this device runs; by default what this process does. */
  arch?: Arch;
  /** Where it is noted which layers were read and found whole in this boot; only this process knows without. */
  checkedNote?: string;
  /** The images of the factory revision. */
  factoryImages: readonly { ref: string; digest: Digest }[];
  /** For the device's log. */
  log: (message: string) => void;
}

type OpenedOptions = StoreOptions & Required<Pick<StoreOptions, 'paths' | 'arch'>>;

/** Room on the data partition that a layer must not take: revisions and journals need it. */
export const reserveBytes = 4 << 20;

/**
 * Opens the store, removes what interrupted transfers left, and sets aside documents that are not what their names say.
 * Rejects when the data folder cannot be written to.
 */
export async function openStore(options: StoreOptions): Promise<LayerStore> {
  const paths = options.paths ?? devicePaths;
  const arch = options.arch ?? (process.arch === 'arm64' ? 'arm64' : 'amd64');
  await rm(join(paths.data, 'staging'), { recursive: true, force: true });
  for (const folder of ['staging', 'layers', 'seals', 'blobs']) await ensureFolder(join(paths.data, folder));
  await checkBlobs(join(paths.data, 'blobs'), options.log);
  const path = join(paths.data, 'refs.json');
  const references = await References.load(path, options.log);
  const store = new LayerStore({ ...options, paths, arch }, references ?? new References(path, []));
  if (!references) await store.findImagesAgain();
  return store;
}

/** Images as OCI documents and one unpacked folder per layer: those of the root image, and those sent to this device. */
export class LayerStore implements ImageStore {
  readonly #options: OpenedOptions;
  readonly #references: References;
  readonly #seals: LayerSeals;
  /** Layers of the data folder whose files are being read. */
  readonly #reading = new Map<Digest, Promise<boolean>>();
  /** What changes the list of images writes the same file: one after the other. */
  #announcing: Promise<unknown> = Promise.resolve();
  /** The same layer may come twice at the same time: they get their names one after the other. */
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(options: OpenedOptions, references: References) {
    this.#options = options;
    this.#references = references;
    this.#seals = new LayerSeals(join(options.paths.data, 'seals'), options.checkedNote);
  }

  /** Layers of the data folder are read, once in a boot; a damaged one is set aside, and the image is not whole then. */
  async get(digest: Digest): Promise<StoredImage> {
    for (const { diffId } of (await this.#documents(digest))?.layers ?? []) await this.#isWhole(diffId);
    return this.#find(digest);
  }

  async #find(digest: Digest): Promise<StoredImage> {
    const image = await this.#documents(digest);
    if (!image)
      throw new StoreError('unknown', `the image ${digest} is not on this device; send it with "gantry swap"`);
    const folders: string[] = [];
    const missing: Digest[] = [];
    for (const { diffId } of image.layers.toReversed()) {
      const folder = await this.#layerFolder(diffId);
      if (!folder) missing.push(diffId);
      // A layer that is twice in an image counts where it is topmost; overlayfs takes no folder twice.
      else if (!folders.includes(folder)) folders.push(folder);
    }
    if (missing.length > 0) {
      const words = `${missing.length} of ${image.layers.length} layers`;
      throw new StoreError(
        'unknown',
        `the image ${digest} lacks ${words} on this device (${missing.join(', ')}); send it again`,
      );
    }
    return { digest, manifest: image.manifest, config: image.config, layers: folders, sizeBytes: sizeOf(image) };
  }

  async list(): Promise<ImageSummary[]> {
    const known = new Map<Digest, string[]>(this.#references.images.map(({ digest, refs }) => [digest, [...refs]]));
    const taken = new Set([...known.values()].flat());
    for (const { ref, digest } of this.#options.factoryImages) {
      const refs = known.get(digest) ?? [];
      known.set(digest, taken.has(ref) || refs.includes(ref) ? refs : [...refs, ref]);
    }
    const summaries: ImageSummary[] = [];
    for (const [digest, refs] of known) {
      const image = await this.#find(digest).catch((error: unknown) => {
        if (error instanceof StoreError) return undefined;
        throw error;
      });
      if (!image) continue;
      const created = new Date(image.config.created ?? 0);
      const createdAt = (Number.isNaN(created.getTime()) ? new Date(0) : created).toISOString();
      summaries.push({ digest, refs, createdAt, sizeBytes: image.sizeBytes });
    }
    return summaries;
  }

  /** What an image is and what of it this device lacks; keeps nothing. `StoreError` when its documents are wrong. */
  async examine(image: AnnounceImage): Promise<{ config: ImageDocuments['config']; missing: ImageLayer[] }> {
    const { config, layers } = parseImage(image, this.#options.arch);
    return { config, missing: await this.#missing(layers) };
  }

  /** Takes an image's documents and says which layers to send. `StoreError` when they do not fit each other or us. */
  announce(image: AnnounceImage): Promise<ImageOffer> {
    return this.#inTurn(() => this.#announce(image));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#announcing.then(work);
    this.#announcing = done.catch(() => undefined);
    return done;
  }

  async #announce(image: AnnounceImage): Promise<ImageOffer> {
    const { manifest, layers } = parseImage(image, this.#options.arch);
    await this.#withRoom(`the documents of ${image.ref}`, async () => {
      await this.#keepBlob(manifest.config.digest, image.config);
      await this.#keepBlob(image.digest, image.manifest);
      await this.#references.add(image.digest, image.ref);
    });
    return { digest: image.digest, missing: await this.#missing(layers) };
  }

  async #missing(layers: readonly ImageLayer[]): Promise<ImageLayer[]> {
    const missing = new Map<Digest, ImageLayer>();
    for (const layer of layers) {
      if (!(await this.#isWhole(layer.diffId))) missing.set(layer.diffId, layer);
    }
    return [...missing.values()];
  }

  /**
   * Takes one layer of an announced image. It appears under its final name only when both digests were right and its
   * files are on the disk. `StoreError`: invalid, refused (no image here has it), or full; nothing is left behind then.
   */
  async putLayer(diffId: Digest, digest: Digest, mediaType: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    if (!isLayerMediaType(mediaType)) throw new StoreError('invalid', `${mediaType} is not a type of layer known here`);
    await this.#expectAnnounced(diffId, digest, mediaType);
    if (await this.#layerFolder(diffId)) return;
    await this.#withRoom(`the layer ${diffId}`, async () => {
      const folder = await mkdtemp(join(this.#options.paths.data, 'staging', 'layer-'));
      try {
        await receiveLayer({ source, mediaType, digest, diffId, folder, maxBytes: await this.#room() });
        await syncFileSystem(folder);
        const published = this.#publishing.then(() => this.#publish(folder, diffId));
        this.#publishing = published.catch(() => undefined);
        await published;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }

  /** Everything that was announced, whole or not: names of documents and layers, also of those in the root image. */
  async known(): Promise<StoredDocuments[]> {
    const known: StoredDocuments[] = [];
    for (const { digest, refs } of this.#references.images) {
      const image = await this.#documents(digest).catch(() => undefined);
      const documents = [digest, ...(image ? [image.manifest.config.digest] : [])].map(hexOf);
      const layers = image?.layers.map(({ diffId }) => hexOf(diffId)) ?? [];
      known.push({ digest, name: refs[0] ?? digest, documents, layers });
    }
    return known;
  }

  knows(digest: Digest): boolean {
    return this.#references.images.some((image) => image.digest === digest);
  }

  /** Takes an image off the list; its documents and layers stay. */
  forget(digest: Digest): Promise<void> {
    return this.#inTurn(() => this.#references.remove(digest));
  }

  /** Takes one name from an image. */
  untag(ref: string): Promise<void> {
    return this.#inTurn(() => this.#references.untag(ref));
  }

  /** Rebuilds the list of images from the blobs, after the list itself was lost; what people called them is lost. */
  async findImagesAgain(): Promise<void> {
    for (const name of await readdir(join(this.#options.paths.data, 'blobs'))) {
      const digest = `sha256:${name}`;
      if (!isDigest(digest)) continue;
      const image = await this.#documents(digest).catch(() => undefined);
      if (image) await this.#references.add(digest, undefined);
    }
    this.#options.log(`found ${this.#references.images.length} images again; their names are lost`);
  }

  async #expectAnnounced(diffId: Digest, digest: Digest, mediaType: string): Promise<void> {
    let other: ImageLayer | undefined;
    for (const image of this.#references.images) {
      const documents = await this.#documents(image.digest).catch(() => undefined);
      for (const layer of documents?.layers ?? []) {
        if (layer.diffId !== diffId) continue;
        if (layer.digest === digest && layer.mediaType === mediaType) return;
        other = layer;
      }
    }
    if (!other)
      throw new StoreError('refused', `no image announced here has the layer ${diffId}; announce its image first`);
    throw new StoreError(
      'refused',
      `the layer ${diffId} was announced as ${other.mediaType} with the digest ${other.digest}`,
    );
  }

  /** Everything that is needed to tell the layer from a damaged one is on the disk before the layer has its name. */
  async #publish(folder: string, diffId: Digest): Promise<void> {
    const target = this.#dataFolder(diffId);
    // Another transfer of the same layer was first, with the same content.
    if (await exists(target)) return;
    await this.#seals.write(diffId, folder);
    await rename(folder, target);
    await syncDirectory(dirname(target));
  }

  async #layerFolder(diffId: Digest): Promise<string | undefined> {
    for (const path of [this.#factoryFolder(diffId), this.#dataFolder(diffId)]) if (await exists(path)) return path;
    return undefined;
  }

  #factoryFolder(diffId: Digest): string {
    return join(this.#options.paths.factoryLayers, hexOf(diffId));
  }

  #dataFolder(diffId: Digest): string {
    return join(this.#options.paths.data, 'layers', hexOf(diffId));
  }

  /** Whether the layer is here and what it should be. The root image is read-only, and trusted as a whole. */
  async #isWhole(diffId: Digest): Promise<boolean> {
    if (await exists(this.#factoryFolder(diffId))) return true;
    if (!(await exists(this.#dataFolder(diffId)))) return false;
    const reading = this.#reading.get(diffId) ?? this.#readLayer(diffId).finally(() => this.#reading.delete(diffId));
    this.#reading.set(diffId, reading);
    return reading;
  }

  async #readLayer(diffId: Digest): Promise<boolean> {
    const folder = this.#dataFolder(diffId);
    const flaw = await this.#seals.flawOf(diffId, folder);
    if (flaw === undefined) return true;
    this.#options.log(`the layer ${diffId} is damaged (${flaw}); kept as ${await setAside(folder)}`);
    await this.#seals.remove(diffId);
    return false;
  }

  /** Undefined when this device does not know the image; rejects when its documents are damaged. */
  async #documents(digest: Digest): Promise<ImageDocuments | undefined> {
    const manifest = await this.#blob(digest);
    const configDigest = manifest && configDigestOf(manifest);
    const config = configDigest && (await this.#blob(configDigest));
    if (!config) return undefined;
    return parseImage({ ref: digest, digest, manifest, config }, this.#options.arch);
  }

  async #blob(digest: Digest): Promise<string | undefined> {
    for (const folder of [this.#options.paths.factoryBlobs, join(this.#options.paths.data, 'blobs')]) {
      try {
        return await readFile(join(folder, hexOf(digest)), 'utf8');
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error;
      }
    }
    return undefined;
  }

  async #keepBlob(digest: Digest, text: string): Promise<void> {
    const { factoryBlobs, data } = this.#options.paths;
    if (await exists(join(factoryBlobs, hexOf(digest)))) return;
    // Written even if it is there: an announcement mends a damaged one.
    await writeFileDurably(join(data, 'blobs', hexOf(digest)), text);
  }

  async #room(): Promise<number> {
    return Math.max(0, (await fileSystemRoom(this.#options.paths.data)).freeBytes - reserveBytes);
  }

  async #withRoom(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isFull(error)) throw error;
      throw new StoreError(
        'full',
        `no space left on the device's data partition for ${what}; nothing of it was kept`,
        error,
      );
    }
  }
}

/** Documents are small: all are read at each start. Half-written ones are what a power cut left, and no loss. */
async function checkBlobs(folder: string, log: StoreOptions['log']): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.endsWith('.tmp')) {
      await rm(path, { recursive: true, force: true });
      continue;
    }
    const flaw = await readFile(path).then(
      (bytes) => (hexOf(digestOf(bytes)) === name ? undefined : 'it is not what its name says'),
      messageOf,
    );
    if (flaw !== undefined) log(`the image document ${name} is damaged (${flaw}); kept as ${await setAside(path)}`);
  }
}

function sizeOf(image: ImageDocuments): number {
  return image.layers.reduce((sum, layer) => sum + layer.size, image.manifest.config.size);
}

function configDigestOf(manifest: string): Digest | undefined {
  try {
    const value: unknown = JSON.parse(manifest);
    const config = typeof value === 'object' && value !== null && 'config' in value ? value.config : undefined;
    const digest = typeof config === 'object' && config !== null && 'digest' in config ? config.digest : undefined;
    return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
  } catch (error) {
    throw new StoreError('invalid', `a manifest on this device is damaged: ${messageOf(error)}`, error);
  }
}

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AnnouncedImage, AnnounceImage, ImageOffer } from '../../src/shared/api/types.ts';
import { hexOf, isDigest } from '../../src/shared/oci/digest.ts';
import { type Arch, type Digest, mediaTypes } from '../../src/shared/oci/types.ts';
import { wholeAnnouncement } from './announcement.ts';
import { type Difference, explainDifference, rebuildTar } from './difference.ts';
import { fileSystemRoom } from './disk-usage.ts';
import type { DocumentFiles } from './document-files.ts';
import { syncFileSystem } from './durable.ts';
import { isFull, StoreError } from './errors.ts';
import type { StoredDocuments } from './garbage.ts';
import { type ImageDocuments, type ImageLayer, parseImage } from './image-documents.ts';
import { LayerContents } from './layer-contents.ts';
import type { LayerFolders } from './layer-folders.ts';
import type { LayerRecipes } from './layer-recipes.ts';
import { isLayerMediaType, type ReceiveLayer, receiveLayer } from './receive-layer.ts';
import type { References } from './references.ts';
import type { ImageStore, ImageSummary, StoredImage } from './types.ts';

export interface LayerStoreParts {
  paths: { data: string };
  /** What this device runs. */
  arch: Arch;
  /** The images of the factory revision. */
  factoryImages: readonly { ref: string; digest: Digest }[];
  /** For the device's log. */
  log: (message: string) => void;
  references: References;
  documents: DocumentFiles;
  layers: LayerFolders;
  recipes: LayerRecipes;
}

type LayerSource = Pick<ReceiveLayer, 'source' | 'mediaType' | 'digest'>;
type Named = Pick<StoredDocuments, 'documents' | 'layers'>;

interface CheckedImage {
  announced: AnnounceImage;
  documents: ImageDocuments;
}

/** Room on the data partition that a layer must not take: revisions and journals need it. */
export const reserveBytes = 4 << 20;

/** Images as OCI documents and one unpacked folder per layer: those of the root image, and those sent to this device. */
export class LayerStore implements ImageStore {
  readonly #options: LayerStoreParts;
  readonly #references: References;
  readonly #documentFiles: DocumentFiles;
  readonly #layers: LayerFolders;
  /** What changes the list of images writes the same file: one after the other. */
  #announcing: Promise<unknown> = Promise.resolve();
  /** What the documents of images name, which never changes, of those that are here. */
  #named = new Map<Digest, Named>();

  constructor(parts: LayerStoreParts) {
    this.#options = parts;
    this.#references = parts.references;
    this.#documentFiles = parts.documents;
    this.#layers = parts.layers;
  }

  /** Layers of the data folder are read, once in a boot; a damaged one is set aside, and the image is not whole then. */
  async get(digest: Digest): Promise<StoredImage> {
    for (const { diffId } of (await this.#documents(digest))?.layers ?? []) await this.#layers.isWhole(diffId);
    return this.#find(digest);
  }

  async #find(digest: Digest): Promise<StoredImage> {
    const image = await this.#documents(digest);
    if (!image)
      throw new StoreError('unknown', `the image ${digest} is not on this device; send it with "gantry swap"`);
    const folders: string[] = [];
    const missing: Digest[] = [];
    for (const { diffId } of image.layers.toReversed()) {
      const folder = await this.#layers.find(diffId);
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
  async examine(image: AnnouncedImage): Promise<{ config: ImageDocuments['config']; missing: ImageLayer[] }> {
    const { config, layers } = (await this.#checked(image)).documents;
    return { config, missing: await this.#missing(layers) };
  }

  /** Takes an image's documents and says which layers to send. `StoreError` when they do not fit each other or us. */
  announce(image: AnnouncedImage): Promise<ImageOffer> {
    return this.#inTurn(async () => this.#announce(await this.#checked(image)));
  }

  async #checked(image: AnnouncedImage): Promise<CheckedImage> {
    const announced = await wholeAnnouncement(image, (digest) => this.#documentFiles.texts(digest));
    try {
      return { announced, documents: parseImage(announced, this.#options.arch) };
    } catch (error) {
      // What they were made from may be damaged here.
      if (image.difference === undefined || !(error instanceof StoreError) || error.kind !== 'invalid') throw error;
      throw new StoreError('difference', `${error.message}; announce ${image.ref} whole`, error);
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#announcing.then(work);
    this.#announcing = done.catch(() => undefined);
    return done;
  }

  async #announce({ announced: image, documents }: CheckedImage): Promise<ImageOffer> {
    const { manifest, layers } = documents;
    await this.#withRoom(`the documents of ${image.ref}`, async () => {
      await this.#documentFiles.keep(manifest.config.digest, image.config);
      await this.#documentFiles.keep(image.digest, image.manifest);
      await this.#references.add(image.digest, image.ref);
    });
    return { digest: image.digest, missing: await this.#missing(layers) };
  }

  async #missing(layers: readonly ImageLayer[]): Promise<ImageLayer[]> {
    const missing = new Map<Digest, ImageLayer>();
    for (const layer of layers) {
      if (!(await this.#layers.isWhole(layer.diffId))) missing.set(layer.diffId, layer);
    }
    return [...missing.values()];
  }

  /**
   * Takes one layer of an announced image. It appears under its final name only when both digests were right and its
   * files are on the disk. `StoreError`: invalid, refused (no image here has it), or full; nothing is left behind then.
   */
  async putLayer(diffId: Digest, digest: Digest, mediaType: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    if (!isLayerMediaType(mediaType)) throw new StoreError('invalid', `${mediaType} is not a type of layer known here`);
    await this.#expectAnnounced(diffId, { digest, mediaType });
    await this.#receive(diffId, () => ({ source, mediaType, digest }));
  }

  /**
   * The same from a difference to what is here. `StoreError` (difference) besides: the layer has to be sent whole; nothing was
   * changed.
   */
  async putDifference(diffId: Digest, difference: Difference): Promise<void> {
    await this.#expectAnnounced(diffId);
    try {
      await this.#receive(diffId, async (maxBytes) => {
        const contents = await this.layerContents();
        const source = rebuildTar(difference, { contents, maxBytes });
        return { source, mediaType: mediaTypes.layer, digest: diffId };
      });
    } catch (error) {
      throw explainDifference(error);
    }
  }

  async hasLayer(diffId: Digest): Promise<boolean> {
    return (await this.#layers.find(diffId)) !== undefined;
  }

  async #receive(diffId: Digest, from: (maxBytes: number) => LayerSource | Promise<LayerSource>): Promise<void> {
    if (await this.hasLayer(diffId)) return;
    await this.#withRoom(`the layer ${diffId}`, async () => {
      const folder = await mkdtemp(join(this.#options.paths.data, 'staging', 'layer-'));
      try {
        const maxBytes = await this.#room();
        const recipe = await receiveLayer({ ...(await from(maxBytes)), diffId, folder, maxBytes });
        await syncFileSystem(folder);
        await this.#layers.publish(folder, diffId, recipe);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }

  /**
   * Everything that was announced, and `others`, whole or not: names of documents and layers, also of those in the root
   * image. The list of images can be lost; what is needed must not go because of that.
   */
  async known(others: readonly Digest[] = []): Promise<StoredDocuments[]> {
    const known: StoredDocuments[] = [];
    const named = new Map<Digest, Named>();
    const unlisted = [...new Set(others)].filter((digest) => !this.knows(digest));
    for (const { digest, refs } of [...this.#references.images, ...unlisted.map((digest) => ({ digest, refs: [] }))]) {
      const found = this.#named.get(digest) ?? (await this.#namesIn(digest));
      if (found) named.set(digest, found);
      known.push({ digest, name: refs.at(0) ?? digest, ...(found ?? { documents: [hexOf(digest)], layers: [] }) });
    }
    this.#named = named;
    return known;
  }

  /** Where each content of the layers lies that are here now. */
  layerContents(): Promise<LayerContents> {
    return LayerContents.read(this.#options.recipes, this.#layers);
  }

  get recipes(): Pick<LayerRecipes, 'inventory' | 'compressed'> {
    return this.#options.recipes;
  }

  async #namesIn(digest: Digest): Promise<Named | undefined> {
    const image = await this.#documents(digest).catch(() => undefined);
    if (!image) return undefined;
    const documents = [digest, image.manifest.config.digest].map(hexOf);
    return { documents, layers: image.layers.map(({ diffId }) => hexOf(diffId)) };
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

  async #expectAnnounced(diffId: Digest, as?: { digest: Digest; mediaType: string }): Promise<void> {
    let other: ImageLayer | undefined;
    for (const image of this.#references.images) {
      const documents = await this.#documents(image.digest).catch(() => undefined);
      for (const layer of documents?.layers ?? []) {
        if (layer.diffId !== diffId) continue;
        if (!as || (layer.digest === as.digest && layer.mediaType === as.mediaType)) return;
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

  #documents(digest: Digest): Promise<ImageDocuments | undefined> {
    return this.#documentFiles.read(digest);
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

function sizeOf(image: ImageDocuments): number {
  return image.layers.reduce((sum, layer) => sum + layer.size, image.manifest.config.size);
}

import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Recipe } from '../../src/shared/delta/recipe.ts';
import { hexOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { exists, setAside, syncDirectory } from './durable.ts';
import type { LayerRecipes } from './layer-recipes.ts';
import type { LayerSeals } from './layer-seals.ts';

export interface LayerFoldersOptions {
  paths: { factoryLayers: string; data: string };
  seals: LayerSeals;
  recipes: LayerRecipes;
  /** For the device's log. */
  log: (message: string) => void;
}

/** The unpacked layers: those of the root image, and those that were sent, which are read before they are trusted. */
export class LayerFolders {
  readonly #options: LayerFoldersOptions;
  /** Layers of the data folder whose files are being read. */
  readonly #reading = new Map<Digest, Promise<boolean>>();
  /** The same layer may come twice at the same time: they get their names one after the other. */
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(options: LayerFoldersOptions) {
    this.#options = options;
  }

  /** Where the layer is; undefined when it is not on this device. */
  async find(diffId: Digest): Promise<string | undefined> {
    for (const path of [this.#factoryFolder(diffId), this.#dataFolder(diffId)]) if (await exists(path)) return path;
    return undefined;
  }

  /** Whether the layer is here and what it should be. The root image is read-only, and trusted as a whole. */
  async isWhole(diffId: Digest): Promise<boolean> {
    if (await exists(this.#factoryFolder(diffId))) return true;
    if (!(await exists(this.#dataFolder(diffId)))) return false;
    const reading = this.#reading.get(diffId) ?? this.#read(diffId).finally(() => this.#reading.delete(diffId));
    this.#reading.set(diffId, reading);
    return reading;
  }

  /** Gives an unpacked layer its name, unless another transfer of the same layer was first. */
  publish(folder: string, diffId: Digest, recipe: Recipe | undefined): Promise<void> {
    const published = this.#publishing.then(() => this.#publish(folder, diffId, recipe));
    this.#publishing = published.catch(() => undefined);
    return published;
  }

  /** Everything that is needed to tell the layer from a damaged one is on the disk before the layer has its name. */
  async #publish(folder: string, diffId: Digest, recipe: Recipe | undefined): Promise<void> {
    const target = this.#dataFolder(diffId);
    if (await exists(target)) return;
    await this.#options.seals.write(diffId, folder);
    if (recipe) await this.#options.recipes.write(diffId, recipe);
    await rename(folder, target);
    await syncDirectory(dirname(target));
  }

  async #read(diffId: Digest): Promise<boolean> {
    const { seals, recipes, log } = this.#options;
    const folder = this.#dataFolder(diffId);
    const flaw = await seals.flawOf(diffId, folder);
    if (flaw === undefined) return true;
    log(`the layer ${diffId} is damaged (${flaw}); kept as ${await setAside(folder)}`);
    await seals.remove(diffId);
    await recipes.remove(diffId);
    return false;
  }

  #factoryFolder(diffId: Digest): string {
    return join(this.#options.paths.factoryLayers, hexOf(diffId));
  }

  #dataFolder(diffId: Digest): string {
    return join(this.#options.paths.data, 'layers', hexOf(diffId));
  }
}

import { constants } from 'node:fs';
import { lstat, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type ByteSource, fileSource } from '../../src/shared/delta/byte-source.ts';
import { recipeId } from '../../src/shared/delta/recipe.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { parseEntryPath } from './entry-path.ts';
import type { LayerFolders } from './layer-folders.ts';
import type { LayerRecipes } from './layer-recipes.ts';

interface Place {
  folder: string;
  /** Below the folder. */
  path: string;
  size: number;
}

/** Where each content lies that the layers of this device have, by its SHA-256, and which recipes there are. */
export class LayerContents {
  readonly #recipes: LayerRecipes;
  readonly #places = new Map<Digest, Place>();
  /** By the ids of their recipes. */
  readonly #layers = new Map<string, Digest>();

  private constructor(recipes: LayerRecipes) {
    this.#recipes = recipes;
  }

  /** Reads all recipes; what cannot be read is left out. */
  static async read(recipes: LayerRecipes, layers: Pick<LayerFolders, 'find'>): Promise<LayerContents> {
    const contents = new LayerContents(recipes);
    for (const diffId of await recipes.list()) {
      const folder = await layers.find(diffId);
      if (folder !== undefined) await contents.#add(diffId, folder);
    }
    return contents;
  }

  async #add(diffId: Digest, folder: string): Promise<void> {
    const read = await this.#recipes.read(diffId);
    if (!read) return;
    this.#layers.set(recipeId(read.encoded), diffId);
    for (const { sha256, path, size } of read.recipe.contents) {
      const place = this.#places.has(sha256) ? undefined : pathInLayer(path);
      if (place !== undefined) this.#places.set(sha256, { folder, path: place, size });
    }
  }

  /** Contents that lie at this path in a layer. */
  named(path: string): { digest: Digest; size: number }[] {
    return [...this.#places].flatMap(([digest, place]) => (place.path === path ? [{ digest, size: place.size }] : []));
  }

  /** The serialised recipe with this id. */
  async openRecipe(id: string): Promise<Buffer | undefined> {
    const diffId = this.#layers.get(id);
    return diffId && (await this.#recipes.read(diffId))?.encoded;
  }

  /** A content; undefined when no layer has it, or has something else in its place. Whether its bytes are right is not checked. */
  async openContent(sha256: Digest): Promise<ByteSource | undefined> {
    const place = this.#places.get(sha256);
    return place && openPlace(place);
  }
}

function pathInLayer(name: string): string | undefined {
  try {
    const entry = parseEntryPath(name);
    return entry.kind === 'entry' ? entry.path : undefined;
  } catch {
    return undefined;
  }
}

/** A later entry of the same tar may have put a link in the place of a file: nothing outside the layer is ever read. */
async function openPlace({ folder, path, size }: Place): Promise<ByteSource | undefined> {
  const full = join(folder, path);
  const real = await Promise.all([realpath(folder), realpath(full)]).catch(() => undefined);
  if (!real || real[1] !== join(real[0], path)) return undefined;
  // Opening a device can already do something.
  const found = await lstat(full).catch(() => undefined);
  if (!found?.isFile() || found.size !== size) return undefined;
  const file = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined);
  return file && { ...fileSource(file, 0, size), close: () => file.close() };
}

import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayerInventory } from '../../src/shared/api/types.ts';
import { decodeRecipe, encodeRecipe, type Recipe, recipeLimits } from '../../src/shared/delta/recipe.ts';
import { compressRecipe, decompressRecipe } from '../../src/shared/delta/recipe-codec.ts';
import { hexOf, isDigest } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { ensureFolder, exists, writeFileDurably } from './durable.ts';

/** A recipe is made while a layer arrives, and read now and then: speed counts more than the last byte. */
const compressionLevel = 6;
/** Of a serialised recipe: its meta, and a SHA-256 for each content, of which none is smaller than its header. */
export const maxRecipeBytes = 2 * recipeLimits.maxMetaBytes;

export interface LayerRecipesOptions {
  paths: { factoryLayers: string; factoryRecipes: string; data: string };
}

/**
 * How the exact tar of each layer is made again from its folder: beside those of the root image in the image, else written
 * when the layer was unpacked. A layer can lack one, or have a damaged one: it is no base for differences then.
 */
export class LayerRecipes {
  readonly #paths: LayerRecipesOptions['paths'];

  private constructor(paths: LayerRecipesOptions['paths']) {
    this.#paths = paths;
  }

  /** Removes those of layers that are gone. */
  static async open({ paths }: LayerRecipesOptions): Promise<LayerRecipes> {
    const folder = join(paths.data, 'recipes');
    await ensureFolder(folder);
    for (const name of await readdir(folder))
      if (!(await exists(join(paths.data, 'layers', name))))
        await rm(join(folder, name), { recursive: true, force: true });
    return new LayerRecipes(paths);
  }

  /** On the disk before it resolves. */
  async write(diffId: Digest, recipe: Recipe): Promise<void> {
    const compressed = await compressRecipe(encodeRecipe(recipe), { level: compressionLevel });
    await writeFileDurably(join(this.#paths.data, 'recipes', hexOf(diffId)), compressed);
  }

  async remove(diffId: Digest): Promise<void> {
    await rm(join(this.#paths.data, 'recipes', hexOf(diffId)), { recursive: true, force: true });
  }

  /** As it is kept: `compressRecipe` without a base. Undefined when there is none. */
  async compressed(diffId: Digest): Promise<Buffer | undefined> {
    for (const folder of this.#folders) {
      const bytes = await readFile(join(folder, hexOf(diffId))).catch(() => undefined);
      if (bytes) return bytes;
    }
    return undefined;
  }

  /** Serialised and as a recipe. Undefined when there is none, or none that can be used. */
  async read(diffId: Digest): Promise<{ encoded: Buffer; recipe: Recipe } | undefined> {
    const compressed = await this.compressed(diffId);
    if (!compressed) return undefined;
    try {
      const encoded = await decompressRecipe(compressed, { maxBytes: maxRecipeBytes });
      return { encoded, recipe: decodeRecipe(encoded) };
    } catch {
      return undefined;
    }
  }

  /** The layers that are here with a recipe, sorted. */
  async list(): Promise<Digest[]> {
    const { factoryRecipes, data, factoryLayers } = this.#paths;
    const found = new Set<Digest>();
    for (const [recipes, layers] of [
      [factoryRecipes, factoryLayers],
      [join(data, 'recipes'), join(data, 'layers')],
    ] as const) {
      const there = new Set(await readdir(layers).catch(() => []));
      for (const name of await readdir(recipes).catch(() => [])) {
        const diffId = `sha256:${name}`;
        if (there.has(name) && isDigest(diffId)) found.add(diffId);
      }
    }
    return [...found].sort();
  }

  async #size(diffId: Digest): Promise<number> {
    for (const folder of this.#folders) {
      const found = await stat(join(folder, hexOf(diffId))).catch(() => undefined);
      if (found) return found.size;
    }
    return 0;
  }

  get #folders(): string[] {
    return [this.#paths.factoryRecipes, join(this.#paths.data, 'recipes')];
  }

  async inventory(whole: boolean): Promise<LayerInventory> {
    const diffIds = await this.list();
    const digest: Digest = `sha256:${createHash('sha256').update(diffIds.join('\n')).digest('hex')}`;
    if (!whole) return { digest };
    const layers = diffIds.map(async (diffId) => ({
      diffId,
      recipeBytes: await this.#size(diffId),
    }));
    return { digest, layers: await Promise.all(layers) };
  }
}

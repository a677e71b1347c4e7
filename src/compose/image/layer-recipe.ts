import { readFile } from 'node:fs/promises';
import { encodeRecipe, recipeOf } from '../../shared/delta/recipe.ts';
import { compressRecipe } from '../../shared/delta/recipe-codec.ts';
import { hexOf } from '../../shared/oci/digest.ts';
import type { Descriptor } from '../../shared/oci/types.ts';
import { cacheDir, writeFileAtomic } from '../cache.ts';
import type { OciLayout } from '../oci/layout.ts';
import { uncompressed } from './flatten.ts';

/** Raise when the recipe of the same layer would have other bytes. */
const formatVersion = 1;

/**
 * The recipe of a layer as a device keeps it, made once for each. Undefined when it would be too large: such a layer is no
 * base for differences.
 */
export async function layerRecipe(layout: OciLayout, layer: Descriptor): Promise<Buffer | undefined> {
  const path = cacheDir('recipes', `${hexOf(layer.digest)}.${formatVersion}`);
  const cached = await readFile(path).catch(() => undefined);
  if (cached) return cached;
  const recipe = await recipeOf(uncompressed(layout.openBlob(layer.digest), layer.mediaType));
  if (!recipe) return undefined;
  const compressed = await compressRecipe(encodeRecipe(recipe));
  await writeFileAtomic(path, compressed);
  return compressed;
}

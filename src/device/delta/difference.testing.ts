import { bufferSource } from '../../shared/delta/byte-source.ts';
import { encodeRecipe, type Recipe, recipeOf } from '../../shared/delta/recipe.ts';
import type { Digest } from '../../shared/oci/types.ts';
import type { Effort } from './compressors.ts';
import { makeDelta } from './make-delta.ts';

/** The difference by which a device that has the tars `old` makes `target`. */
export async function differenceBetween(old: Buffer[], target: Buffer, effort: Effort = 'thorough'): Promise<Buffer> {
  const contents = new Map<Digest, Buffer>();
  const bases: Buffer[] = [];
  for (const tar of old) {
    const recipe = await wholeRecipe(tar);
    bases.push(encodeRecipe(recipe));
    for (const { sha256, tarOffset, size } of recipe.contents)
      contents.set(sha256, tar.subarray(tarOffset, tarOffset + size));
  }
  const { parts } = await makeDelta({
    target: bufferSource(target),
    recipe: await wholeRecipe(target),
    bases,
    present: new Set(contents.keys()),
    has: (sha256) => contents.has(sha256),
    openContent: async (sha256) => {
      const content = contents.get(sha256);
      return content && bufferSource(content);
    },
    effort,
  });
  return Buffer.concat(parts);
}

async function wholeRecipe(tar: Buffer): Promise<Recipe> {
  const recipe = await recipeOf(
    (async function* () {
      yield tar;
    })(),
  );
  if (!recipe) throw new Error('the tar has no recipe');
  return recipe;
}

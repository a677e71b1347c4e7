import { createReadStream, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { makeDelta } from '../../../src/device/delta/make-delta.ts';
import { fileSource } from '../../../src/shared/delta/byte-source.ts';
import { encodeRecipe, recipeOf, tarSize } from '../../../src/shared/delta/recipe.ts';
import { compressRecipe } from '../../../src/shared/delta/recipe-codec.ts';
import { peakMemory } from './peak-memory.ts';

/**
 * What the host does: `make-process.ts OLD_TAR FRESH_TAR OLD_RECIPE DELTA` writes the recipe of the old layer, which the device has,
 * and the difference. Writes one line of JSON.
 */
const [oldTar, freshTar, recipePath, deltaPath] = process.argv.slice(2);
if (oldTar === undefined || freshTar === undefined || recipePath === undefined || deltaPath === undefined) {
  throw new Error('make-process.ts OLD_TAR FRESH_TAR OLD_RECIPE DELTA');
}
const recipe = await recipeOf(createReadStream(freshTar));
const old = await recipeOf(createReadStream(oldTar));
if (!recipe || !old) throw new Error('a tar is too large for a recipe');
const encoded = encodeRecipe(old);
const [target, base] = [await open(freshTar), await open(oldTar)];
const held = new Map(old.contents.map((content) => [content.sha256, content]));
const { parts, size, operations } = await makeDelta({
  target: fileSource(target, 0, tarSize(recipe)),
  recipe,
  bases: [encoded],
  present: new Set(held.keys()),
  has: (sha256) => held.has(sha256),
  openContent: async (sha256) => {
    const content = held.get(sha256);
    return content && fileSource(base, content.tarOffset, content.size);
  },
  effort: 'thorough',
});
await Promise.all([target.close(), base.close()]);
writeFileSync(recipePath, await compressRecipe(encoded));
writeFileSync(deltaPath, Buffer.concat(parts));
const { user, system } = process.cpuUsage();
process.stdout.write(
  `${JSON.stringify({ size, operations: operations.length, cpu: (user + system) / 1e6, peak: peakMemory() })}\n`,
);

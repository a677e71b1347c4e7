import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { applyDelta } from '../../../src/shared/delta/apply.ts';
import { fileSource } from '../../../src/shared/delta/byte-source.ts';
import { decodeRecipe, recipeId } from '../../../src/shared/delta/recipe.ts';
import { decompressRecipe } from '../../../src/shared/delta/recipe-codec.ts';
import { peakMemory } from './peak-memory.ts';

/**
 * What a device does with a difference, in a process of its own so that its processor time and its memory can be told:
 * `apply-process.ts OLD_TAR OLD_RECIPE DELTA`, or no arguments for a process that does nothing. Writes one line of JSON.
 */
const [oldTar, oldRecipe, deltaPath] = process.argv.slice(2);
let digest = '';
const before = process.cpuUsage();
if (oldTar !== undefined && oldRecipe !== undefined && deltaPath !== undefined) {
  const base = await decompressRecipe(await readFile(oldRecipe), { maxBytes: 64 * 1024 * 1024 });
  const tar = await open(oldTar);
  const delta = await open(deltaPath);
  const contents = new Map(
    decodeRecipe(base).contents.map(({ sha256, tarOffset, size }) => [sha256, { tarOffset, size }]),
  );
  const hash = createHash('sha256');
  const made = applyDelta({
    delta: fileSource(delta, 0, (await stat(deltaPath)).size),
    openRecipe: async (wanted) => (wanted === recipeId(base) ? base : undefined),
    openContent: async (sha256) => {
      const content = contents.get(sha256);
      return content && fileSource(tar, content.tarOffset, content.size);
    },
    maxBytes: Number.MAX_SAFE_INTEGER,
  });
  for await (const piece of made) hash.update(piece);
  digest = hash.digest('hex');
  await Promise.all([tar.close(), delta.close()]);
}
const { user, system } = process.cpuUsage(before);
process.stdout.write(`${JSON.stringify({ digest, cpu: (user + system) / 1e6, peak: peakMemory() })}\n`);

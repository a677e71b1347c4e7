import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeRecipe, encodeRecipe, recipeOf } from '../../src/shared/delta/recipe.ts';
import { decompressRecipe } from '../../src/shared/delta/recipe-codec.ts';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import { collectingDevice, largeLayer, shared } from './collector.testing.ts';
import { LayerRecipes } from './layer-recipes.ts';
import { layerOf, pieces, tarOf } from './test-support.ts';

const tar = await tarOf([
  { name: 'app', type: 'directory' },
  { name: 'app/a.js', content: 'a'.repeat(5000) },
  { name: 'app/b', type: 'symlink', linkname: 'a.js' },
  { name: 'app/c.js', content: 'c' },
]);

describe('the recipe of a layer', () => {
  it('is written with the layer, however it was packed, and is that of its tar', async () => {
    const expected = encodeRecipe((await recipeOf(pieces(tar))) ?? expect.fail('no recipe'));
    for (const packing of ['none', 'gzip', 'zstd'] as const) {
      const layer = layerOf(tar, packing);
      const { swap, store } = await collectingDevice();
      await swap('web:1', [shared, layer]);
      const compressed = (await store.recipes.compressed(layer.diffId)) ?? expect.fail('no recipe');
      const encoded = await decompressRecipe(compressed, { maxBytes: 1 << 20 });
      expect(encoded.equals(expected)).toBe(true);
      expect(decodeRecipe(encoded).contents.map(({ path }) => path)).toEqual(['app/a.js', 'app/c.js']);
    }
  });

  it('is listed under one digest, and goes with its layer', async () => {
    const { swap, store, collector, paths } = await collectingDevice();
    const [one, two] = [await largeLayer(20_000), await largeLayer(20_000)];
    await swap('web:1', [shared, one]);
    const before = await store.recipes.inventory(true);
    const diffIds = before.layers?.map(({ diffId }) => diffId) ?? [];
    expect(diffIds).toEqual([shared.diffId, one.diffId].sort());
    expect(before.layers?.[0]?.recipeBytes).toBe((await store.recipes.compressed(diffIds[0] ?? shared.diffId))?.length);
    expect(before.digest).toBe(digestOf(diffIds.join('\n')));
    expect(await store.recipes.inventory(false)).toEqual({ digest: before.digest });
    await swap('web:2', [shared, two]);
    await swap('web:3', [shared]);
    await swap('web:4', [shared]);
    expect((await collector.collect()).items.map(({ name }) => name)).toContain(hexOf(one.diffId));
    expect((await readdir(join(paths.data, 'recipes'))).sort()).toEqual(
      (await readdir(join(paths.data, 'layers'))).sort(),
    );
    expect((await store.recipes.inventory(false)).digest).not.toBe(before.digest);
  });

  it('that is damaged or missing is none, and the image runs all the same', async () => {
    const { swap, open, paths } = await collectingDevice();
    const image = await swap('web:1', [shared, layerOf(tar)]);
    const file = join(paths.data, 'recipes', hexOf(digestOf(tar)));
    const whole = await readFile(file);
    for (const damage of [whole.subarray(0, 20), Buffer.from('no recipe'), Buffer.alloc(0)]) {
      await writeFile(file, damage);
      const recipes = await LayerRecipes.open({ paths });
      expect(await recipes.read(digestOf(tar))).toBeUndefined();
    }
    await rm(file);
    const { store } = await open();
    expect((await store.recipes.inventory(true)).layers).toMatchObject([{ diffId: shared.diffId }]);
    await expect(store.get(image.digest)).resolves.toMatchObject({ digest: image.digest });
  });

  it('whose layer is gone is removed at the next start', async () => {
    const { paths, store } = await collectingDevice();
    const orphan = join(paths.data, 'recipes', hexOf(digestOf('gone')));
    await writeFile(orphan, 'x');
    const recipes = await LayerRecipes.open({ paths });
    expect(await readdir(join(paths.data, 'recipes'))).toEqual([]);
    expect(await recipes.list()).toEqual([]);
    expect((await store.recipes.inventory(true)).layers).toEqual([]);
  });
});

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { layerOf, tarOf, temporaryFolder } from '../../../init-container/store/test-support.ts';
import { encodeRecipe, recipeOf } from '../../shared/delta/recipe.ts';
import { compressRecipe } from '../../shared/delta/recipe-codec.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import { mediaTypes } from '../../shared/oci/types.ts';
import { HostCache } from './host-cache.ts';

const layer = layerOf(await tarOf([{ name: 'a', content: randomBytes(5000).toString('hex') }]), 'gzip');
const blob = () => Readable.from([layer.blob]);

it('keeps tars with their recipes, and makes a recipe that is lost or damaged again', async () => {
  const dir = await temporaryFolder();
  const cache = new HostCache(dir);
  expect(await cache.tar(layer.diffId)).toBeUndefined();
  const kept = await cache.keepTar(layer.diffId, layer.mediaType, blob());
  expect(kept?.recipe.contents.map(({ path }) => path)).toEqual(['a']);
  const [recipe = ''] = await readdir(join(dir, 'recipes'));
  await truncate(join(dir, 'recipes', recipe), 5);
  expect(await cache.recipe(layer.diffId)).toBeUndefined();
  expect((await cache.tar(layer.diffId))?.recipe).toEqual(kept?.recipe);
});

it('takes no recipe of a tar from a device, and forgets what was told and what is damaged when it is of no use', async () => {
  const dir = await temporaryFolder();
  const cache = new HostCache(dir);
  const other = await recipeOf(Readable.from([await tarOf([{ name: 'b', content: 'x' }])]));
  const told = await compressRecipe(encodeRecipe(other ?? expect.fail('no recipe')));
  expect(await cache.keepRecipe(layer.diffId, told)).toEqual(other);
  const { recipe } = (await cache.keepTar(layer.diffId, layer.mediaType, blob())) ?? expect.fail('no tar');
  expect(recipe.contents.map(({ path }) => path)).toEqual(['a']);
  expect(await cache.recipe(layer.diffId)).toEqual(recipe);
  await cache.keepRecipe(digestOf('c'), told);
  await cache.distrust([layer.diffId]);
  expect(await cache.recipe(digestOf('c'))).toBeUndefined();
  const kept = await cache.tar(layer.diffId);
  await truncate(kept?.path ?? '', 100);
  await cache.distrust([layer.diffId, digestOf('d')]);
  expect(await cache.tar(layer.diffId)).toBeUndefined();
  expect(await cache.recipe(layer.diffId)).toBeUndefined();
});

it('takes no tar that is another one, and nothing of it stays', async () => {
  const dir = await temporaryFolder();
  const wrong = gzipSync(await tarOf([{ name: 'b', content: 'x' }]));
  const keeping = new HostCache(dir).keepTar(layer.diffId, mediaTypes.layerGzip, Readable.from([wrong]));
  await expect(keeping).rejects.toMatchObject({ name: 'ImageError' });
  expect(await readdir(join(dir, 'tars'))).toEqual([]);
});

it('does without where nothing can be written', async () => {
  const file = join(await temporaryFolder(), 'file');
  await writeFile(file, '');
  const cache = new HostCache(join(file, 'cache'));
  await cache.write('documents', 'a', 'b');
  expect(await cache.keepTar(layer.diffId, layer.mediaType, blob())).toBeUndefined();
  const kept = await new HostCache(await temporaryFolder()).keepTar(layer.diffId, layer.mediaType, blob());
  const compressed = await compressRecipe(encodeRecipe(kept?.recipe ?? expect.fail('no recipe')));
  expect(await cache.keepRecipe(layer.diffId, compressed)).toEqual(kept?.recipe);
  expect(await cache.keepRecipe(layer.diffId, Buffer.from('no recipe'))).toBeUndefined();
});

it('is bounded: what was not used for longest goes', async () => {
  const dir = await temporaryFolder();
  const cache = new HostCache(dir);
  await mkdir(join(dir, 'layers'));
  const names = ['a', 'b', 'c'].map((name) => digestOf(name).slice(7));
  for (const [index, name] of names.entries()) {
    await cache.write('layers', name, Buffer.alloc(6 << 20));
    await utimes(join(dir, 'layers', name), 1e9 + index, 1e9 + index);
  }
  await cache.read('layers', names[1] ?? '');
  await cache.write('layers', names[0] ?? '', Buffer.alloc(6 << 20));
  expect((await readdir(join(dir, 'layers'))).sort()).toEqual([names[0], names[1]].sort());
});

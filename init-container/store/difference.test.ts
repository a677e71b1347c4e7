import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { make, layerOf as testLayerOf } from '../../src/device/delta/delta.testing.ts';
import { packDocuments } from '../../src/shared/delta/documents.ts';
import { deltaMediaType } from '../../src/shared/delta/format.ts';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import { collectingDevice } from './collector.testing.ts';
import { imageOf, layerOf, pieces, tarOf } from './test-support.ts';
import { treeDigest } from './tree-digest.ts';

const script = randomBytes(30_000).toString('hex');
const program = randomBytes(200_000);
const library = randomBytes(50_000).toString('base64');
const oldTar = await tarOf([
  { name: 'app', type: 'directory' },
  { name: 'app/main.js', content: script },
  { name: 'app/lib.so', content: library },
  { name: 'app/link', type: 'symlink', linkname: 'main.js' },
]);
const newTar = await tarOf([
  { name: 'app', type: 'directory', mode: 0o700 },
  { name: 'app/lib.so', content: library },
  { name: 'app/main.js', content: `${script.slice(0, 5000)}changed${script.slice(5000)}` },
  { name: 'app/again.js', type: 'link', linkname: 'app/main.js' },
  { name: 'app/new', content: program.toString('latin1') },
]);
const old = layerOf(oldTar);
const fresh = layerOf(newTar);
const differenceBetween = async (olds: Buffer[], fresh: Buffer) =>
  Buffer.concat((await make(testLayerOf(fresh), olds.map(testLayerOf))).parts);
const delta = await differenceBetween([oldTar], newTar);

/** A device that has the old layer and was told of the new one. */
async function device(megabytes?: number) {
  const made = await collectingDevice(megabytes === undefined ? {} : { megabytes });
  await made.swap('app:1', [old]);
  await made.collector.announce(imageOf('app:2', [fresh]));
  const send = async (blob: Buffer, digest = digestOf(blob)) => {
    const piece = { offset: 0, length: blob.length, displace: () => undefined };
    await made.collector.receiveUpload(digest, piece, pieces(blob, 10_000));
    await made.collector.putUploadedLayer(fresh.diffId, digest, deltaMediaType);
  };
  const folder = (name: string) => join(made.paths.data, name);
  /** Everything that is kept, but for the times of folders. */
  const state = () => treeDigest(made.paths.data);
  return { ...made, send, folder, state };
}

describe('a difference', () => {
  it('becomes the exact layer, which is a base in its turn', async () => {
    const { send, folder, store, collector } = await device();
    expect(delta.length).toBeLessThan(fresh.blob.length / 1.2);
    await send(delta);
    const layer = folder(`layers/${hexOf(fresh.diffId)}`);
    expect((await readdir(join(layer, 'app'))).sort()).toEqual(['again.js', 'lib.so', 'main.js', 'new']);
    expect(await readFile(join(layer, 'app/main.js'), 'utf8')).toContain('changed');
    expect(await readdir(folder('uploads'))).toEqual([]);
    expect(await readdir(folder('staging'))).toEqual([]);
    await expect(store.get(imageOf('app:2', [fresh]).digest)).resolves.toBeDefined();

    const nextTar = await tarOf([
      { name: 'app/main.js', content: `${script.slice(0, 5000)}CHANGED${script.slice(5000)}` },
    ]);
    const next = layerOf(nextTar);
    await collector.announce(imageOf('app:3', [next]));
    const again = await differenceBetween([newTar], nextTar);
    expect(again.length).toBeLessThan(400);
    const piece = { offset: 0, length: again.length, displace: () => undefined };
    await collector.receiveUpload(digestOf(again), piece, pieces(again));
    await collector.putUploadedLayer(next.diffId, digestOf(again), deltaMediaType);
    expect((await store.recipes.inventory(true)).layers?.map(({ diffId }) => diffId)).toContain(next.diffId);
  });

  it('is refused with one sentence, and nothing is changed, when its base is not what it should be', async () => {
    const harm: [string, RegExp, (folder: string) => Promise<void>][] = [
      ['a content has other bytes', /its tar has the digest .* instead of/, async (layer) => {
        await writeFile(join(layer, 'app/lib.so'), library.replace(/./, (c) => (c === 'A' ? 'B' : 'A')));
      }],
      ['a content is shorter', /is not here/, (layer) => truncate(join(layer, 'app/lib.so'), 10)],
      ['a content is gone', /is not here/, (layer) => rm(join(layer, 'app/main.js'))],
      ['a link is in its place', /is not here/, async (layer) => {
        await rm(join(layer, 'app/lib.so'));
        await symlink('/etc/hostname', join(layer, 'app/lib.so'));
      }],
      ['a folder is a link to elsewhere', /is not here/, async (layer) => {
        await rm(join(layer, 'app'), { recursive: true });
        await mkdir(join(layer, '../../elsewhere'));
        await writeFile(join(layer, '../../elsewhere/lib.so'), library);
        await symlink('../../elsewhere', join(layer, 'app'));
      }],
      ['its recipe is gone', /is not here/, (layer) => rm(layer.replace('layers', 'recipes'))],
      ['its recipe is damaged', /is not here/, (layer) => truncate(layer.replace('layers', 'recipes'), 30)],
    ]; // biome-ignore format: one case is one block
    for (const [name, sentence, damage] of harm) {
      const { send, folder, state, layers } = await device();
      await damage(folder(`layers/${hexOf(old.diffId)}`));
      const before = await state();
      await expect(send(delta), name).rejects.toMatchObject({
        kind: 'difference',
        message: expect.stringMatching(sentence),
      });
      expect(await state(), name).toBe(before);
      expect((await layers()).has(hexOf(fresh.diffId)), name).toBe(false);
    }
  });

  it('that is damaged anywhere, cut off, longer or of another version is refused, and nothing is changed', async () => {
    const { send, state } = await device();
    const before = await state();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.record({ at: fc.nat(delta.length - 1), bits: fc.integer({ min: 1, max: 255 }) }).map(({ at, bits }) => {
            const wrong = Buffer.from(delta);
            wrong[at] = (wrong[at] ?? 0) ^ bits;
            return wrong;
          }),
          fc.integer({ min: 1, max: delta.length - 1 }).map((length) => delta.subarray(0, length)),
          fc.uint8Array({ minLength: 1, maxLength: 50 }).map((more) => Buffer.concat([delta, more])),
          fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        ),
        async (wrong) => {
          await expect(send(wrong)).rejects.toMatchObject({ kind: 'difference' });
          expect(await state()).toBe(before);
        },
      ),
      { numRuns: 60 },
    );
    await expect(send(delta, digestOf('another'))).rejects.toMatchObject({ kind: 'difference' });
    await send(delta);
  });

  it('that makes more than there is room for is refused before it fills the disk', async () => {
    const zeros = await tarOf([{ name: 'app/zeros', content: '\0'.repeat(30_000_000) }]);
    const bomb = await differenceBetween([oldTar], zeros);
    expect(bomb.length).toBeLessThan(10_000);
    const { collector, folder, state } = await device(20);
    const large = layerOf(zeros, 'zstd');
    await collector.announce(imageOf('app:3', [large]));
    const before = await state();
    const piece = { offset: 0, length: bomb.length, displace: () => undefined };
    await collector.receiveUpload(digestOf(bomb), piece, pieces(bomb));
    await expect(collector.putUploadedLayer(large.diffId, digestOf(bomb), deltaMediaType)).rejects.toThrow(
      expect.objectContaining({ kind: 'full' }),
    );
    // It may come to be used when there is room.
    await rm(folder(`uploads/${hexOf(digestOf(bomb))}`));
    await collector.collect();
    expect(await state()).toBe(before);
  });

  it('for a layer that nobody announced is refused', async () => {
    const { collector, paths } = await collectingDevice();
    const piece = { offset: 0, length: delta.length, displace: () => undefined };
    await collector.receiveUpload(digestOf(delta), piece, pieces(delta));
    await expect(collector.putUploadedLayer(fresh.diffId, digestOf(delta), deltaMediaType)).rejects.toMatchObject({
      kind: 'refused',
    });
    expect(await readdir(join(paths.data, 'uploads'))).toEqual([]);
  });
});

describe('an image that is announced as a difference', () => {
  const base = imageOf('app:1', [old]);
  const next = imageOf('app:2', [fresh]);
  const announced = async () => ({
    ref: next.ref,
    digest: next.digest,
    base: base.digest,
    difference: (await packDocuments(next, base)).toString('base64'),
  });

  it('is the same as one that is announced whole', async () => {
    const { store } = await device();
    await expect(store.announce(await announced())).resolves.toEqual(await store.announce(next));
    await expect(store.examine(await announced())).resolves.toEqual(await store.examine(next));
  });

  it('has to be announced whole when its base is not what it should be', async () => {
    const { store, folder, collector } = await device();
    const refused = { kind: 'difference', message: expect.stringMatching(/announce app:2 whole$/) };
    const path = folder(`blobs/${hexOf(base.digest)}`);
    const manifest = await readFile(path, 'utf8');
    await writeFile(path, manifest.replace('"size":', '"SIZE":'));
    await expect(collector.announce(await announced())).rejects.toMatchObject(refused);
    await expect(store.examine(await announced())).rejects.toMatchObject(refused);
    await rm(path);
    await expect(collector.announce(await announced())).rejects.toMatchObject(refused);
    await expect(collector.announce(next)).resolves.toMatchObject({ digest: next.digest });
  });
});

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { hexOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { openRevisions } from '../revisions/revisions.ts';
import { Collector, describe as inWords } from './collector.ts';
import { openStore } from './image-store.ts';
import { imageOf, layerOf, pieces, type TestLayer, tarOf, temporaryFolder } from './test-support.ts';

const shared = layerOf(await tarOf([{ name: 'lib', content: randomBytes(30_000).toString('hex') }]));
const largeLayer = async (bytes: number) =>
  layerOf(await tarOf([{ name: 'own', content: randomBytes(bytes / 2).toString('hex') }]));

/** A device whose data folder, when `megabytes` are given, is a small disk of its own. */
async function device(options: { megabytes?: number; volumes?: boolean } = {}) {
  const folder = await temporaryFolder();
  const paths = {
    factoryRevision: join(folder, 'revision.json'),
    factoryLayers: join(folder, 'layers'),
    factoryBlobs: join(folder, 'blobs'),
    data: join(folder, 'data'),
  };
  for (const path of [paths.factoryLayers, paths.factoryBlobs, paths.data]) await mkdir(path);
  if (options.megabytes !== undefined) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.megabytes}m`, 'tmpfs', paths.data]);
    onTestFinished(() => void execFileSync('umount', ['-l', paths.data]));
  }
  const factoryImage = imageOf('web:0', [shared]);
  const revisionOf = (ref: string, digest: Digest): Revision => ({
    schema: 1,
    components: { web: { kind: 'service', image: { ref, digest }, order: 0, config: {} } },
  });
  await writeFile(paths.factoryRevision, canonicalJson(revisionOf('web:0', factoryImage.digest)));
  const log: string[] = [];
  /** `turns`: how often is asked before a swap begins. */
  const state: { inUse: Digest[]; turns: number } = { inUse: [], turns: Number.POSITIVE_INFINITY };
  const open = async () => {
    const report = (message: string) => void log.push(message);
    const revisions = await openRevisions({ paths, log: report });
    const factoryImages = [{ ref: 'web:0', digest: factoryImage.digest }];
    const store = await openStore({ paths, arch: 'amd64', factoryImages, log: report });
    const volumeFolders = async (revision: Revision) =>
      Object.values(revision.components).map(({ image }) => `volumes/revision/www/${hexOf(image.digest)}`);
    const collector = new Collector({
      store,
      revisions,
      data: paths.data,
      imagesInUse: () => state.inUse,
      busyWith: () => (--state.turns < 0 ? 'a swap' : undefined),
      ...(options.volumes ? { volumeFolders } : {}),
      log: report,
    });
    return { revisions, store, collector };
  };
  const opened = await open();
  /** Sends an image and puts it in force, unless `fails`. */
  const swap = async (name: string, layers: TestLayer[], fails = false, { collector, revisions } = opened) => {
    const image = imageOf(name, layers);
    const { missing } = await collector.announce(image);
    for (const layer of layers)
      if (missing.some(({ diffId }) => diffId === layer.diffId))
        await collector.putLayer(layer.diffId, layer.digest, layer.mediaType, pieces(layer.blob));
    const { number } = await revisions.append(revisionOf(name, image.digest), `swap to ${name}`);
    const refuse = [{ component: 'web', digest: image.digest }];
    if (fails) await revisions.fail(number, { failure: 'unhealthy', interrupted: false, refuse });
    else await revisions.commit(number);
    return image;
  };
  const layers = async () => new Set(await readdir(join(paths.data, 'layers')));
  return { ...opened, paths, log, state, open, swap, layers };
}

const words = (items: { kind: string; name: string }[]) => items.map(({ kind, name }) => `${kind} ${name}`);
const layerItem = (layer: TestLayer) => `layer ${hexOf(layer.diffId)}`;

describe('what may go', () => {
  it('is what neither the factory, the current nor the previous revision needs, and what it frees is told before', async () => {
    const { collector, revisions, swap, layers, open } = await device();
    const own = await Promise.all([1, 2, 3, 4].map(() => largeLayer(50_000)));
    const [one, two, three, four] = own as [TestLayer, TestLayer, TestLayer, TestLayer];
    expect(await collector.preview()).toEqual({ items: [], bytes: 0 });
    await swap('web:1', [shared, one]);
    await swap('web:2', [shared, two], true);
    await swap('web:3', [shared, three]);
    await swap('web:4', [shared, four]);
    const preview = await collector.preview();
    expect(words(preview.items)).toEqual([
      'revision 2',
      'image web:2',
      layerItem(two),
      'revision 1',
      'image web:1',
      layerItem(one),
    ]);
    expect(preview.bytes).toBeGreaterThan(100_000);
    expect(inWords(preview)).toMatch(/ kB: 2 revisions, 2 images, 2 layers$/);
    expect(await layers()).toEqual(new Set([shared, ...own].map(({ diffId }) => hexOf(diffId))));

    expect(await collector.collect()).toEqual(preview);
    expect(await layers()).toEqual(new Set([shared, three, four].map(({ diffId }) => hexOf(diffId))));
    for (const next of [revisions, (await open()).revisions]) {
      expect(next.list().revisions.map(({ number, state }) => `${number} ${state}`)).toEqual([
        '4 current',
        '3 previous',
        '2 collected',
        '1 collected',
        '0 available',
      ]);
      expect(next.list().revisions[3]).toMatchObject({
        reason: 'swap to web:1',
        changes: [{ name: 'web', from: 'web:0', to: 'web:1' }],
      });
      expect([next.get(1), next.committed()]).toEqual([undefined, [0, 3, 4]]);
    }
    await expect(revisions.collect([3])).rejects.toThrow('revision 3 is needed');
    expect(await collector.preview()).toEqual({ items: [], bytes: 0 });
  });

  it('is not what a container was made from, nor what was sent just now for a swap', async () => {
    const { collector, swap, state, store } = await device();
    const [one, two] = [await largeLayer(50_000), await largeLayer(50_000)];
    const image = await swap('web:1', [one]);
    for (const name of ['web:2', 'web:3', 'web:4']) await swap(name, [shared]);
    state.inUse = [image.digest];
    expect(words((await collector.preview()).items)).not.toContain(layerItem(one));
    expect(words((await collector.preview()).items)).toContain('revision 1');
    state.inUse = [];
    expect(words((await collector.preview()).items)).toContain(layerItem(one));

    await collector.announce(imageOf('web:5', [two]));
    await collector.putLayer(two.diffId, two.digest, two.mediaType, pieces(two.blob));
    expect(words((await collector.collect()).items)).not.toContain(layerItem(two));
    expect(collector.whyNeeded(imageOf('web:5', [two]).digest)).toMatch(/sent just now/);
    expect((await store.list()).map(({ refs }) => refs[0])).toContain('web:5');
  });

  it('is nothing while a swap is under way, and a swap that begins ends the removing', async () => {
    const { collector, swap, state, layers } = await device();
    for (const name of ['web:1', 'web:2', 'web:3', 'web:4']) await swap(name, [await largeLayer(10_000)]);
    state.turns = 0;
    await expect(collector.collect()).rejects.toThrow('nothing is removed while a swap is under way; try again later');
    expect((await layers()).size).toBe(4);
    // Asked at the beginning and before each item: the first revision and its image go, its layer stays for the next time.
    state.turns = 3;
    expect(words((await collector.collect()).items)).toEqual(['revision 1', 'image web:1']);
    expect((await layers()).size).toBe(4);
    state.turns = Number.POSITIVE_INFINITY;
    expect((await collector.collect()).items.map(({ kind }) => kind)).toEqual(['layer', 'revision', 'image', 'layer']);
    expect((await layers()).size).toBe(2);
  });

  it('has the data of volumes of revisions that are gone', async () => {
    const { collector, swap, paths } = await device({ volumes: true });
    const images = [];
    for (const name of ['web:1', 'web:2', 'web:3']) {
      const image = await swap(name, [await largeLayer(1000)]);
      images.push(image);
      await mkdir(join(paths.data, 'volumes/revision/www', hexOf(image.digest)), { recursive: true });
    }
    await mkdir(join(paths.data, 'volumes/permanent/www'), { recursive: true });
    const gone = `volumes/revision/www/${hexOf(images[0]?.digest ?? shared.diffId)}`;
    expect(words((await collector.collect()).items)).toContain(`volume ${gone}`);
    expect((await readdir(join(paths.data, 'volumes/revision/www'))).length).toBe(2);
    expect(await readdir(join(paths.data, 'volumes/permanent'))).toEqual(['www']);
  });

  it('never is what was quarantined', async () => {
    const { collector, paths } = await device();
    await mkdir(join(paths.data, 'quarantine/x'), { recursive: true });
    await writeFile(join(paths.data, 'quarantine/x/y'), 'z'.repeat(10_000));
    expect(await collector.collect()).toEqual({ items: [], bytes: 0 });
    expect(await collector.storage()).toMatchObject({ reclaimableBytes: 0, quarantinedBytes: expect.any(Number) });
    expect((await collector.storage()).quarantinedBytes).toBeGreaterThanOrEqual(10_000);
  });
});

describe('room for an image', () => {
  it('is made when it is needed, and no more of it: the newest former revisions stay', async () => {
    const { swap, revisions, log } = await device({ megabytes: 16 });
    for (let version = 1; version <= 8; version++) await swap(`web:${version}`, [shared, await largeLayer(1_600_000)]);
    const states = revisions.list().revisions.map(({ number, state }) => `${number} ${state}`);
    expect(states.slice(0, 2)).toEqual(['8 current', '7 previous']);
    expect(states).toContain('6 available');
    expect(states).toContain('1 collected');
    expect(log.join('\n')).toMatch(/made room: \d/);
  });

  it('that cannot be made is told before anything is sent, with figures', async () => {
    const { swap, collector, revisions, layers } = await device({ megabytes: 12 });
    for (const version of [1, 2, 3]) await swap(`web:${version}`, [await largeLayer(1_000_000)]);
    const before = await layers();
    const large = await largeLayer(18_000_000);
    await expect(collector.announce(imageOf('web:9', [large]))).rejects.toMatchObject({
      kind: 'full',
      message: expect.stringMatching(
        /^web:9 does not fit on the device's data partition: it needs more than 9\.\d MB, \d\.\d MB are free and 0 B could be freed; nothing was changed$/,
      ),
    });
    expect(revisions.current().number).toBe(3);
    expect((await layers()).size).toBeGreaterThanOrEqual(before.size - 1);
  });

  it('that turns out too little while a layer comes is explained, and nothing of the layer is kept', async () => {
    const { collector, layers } = await device({ megabytes: 10 });
    const packed = layerOf(await tarOf([{ name: 'zeros', content: '\0'.repeat(9_000_000) }]));
    const offer = await collector.announce(imageOf('web:9', [packed]));
    expect(offer.room).toMatchObject({ collectedBytes: 0 });
    await expect(
      collector.putLayer(packed.diffId, packed.digest, packed.mediaType, pieces(packed.blob)),
    ).rejects.toMatchObject({
      kind: 'full',
      message: expect.stringMatching(/are free, and "gantry gc" could free 0 B$/),
    });
    expect(await layers()).toEqual(new Set());
  });
});

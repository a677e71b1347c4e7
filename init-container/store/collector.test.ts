import { execFileSync } from 'node:child_process';
import fsPromises, { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { hexOf } from '../../src/shared/oci/digest.ts';
import { collectingDevice, largeLayer, shared } from './collector.testing.ts';
import { describe as inWords } from './collector.ts';
import { imageOf, layerOf, pieces, type TestLayer, tarOf } from './test-support.ts';

const words = (items: { kind: string; name: string }[]) => items.map(({ kind, name }) => `${kind} ${name}`);
const layerItem = (layer: TestLayer) => `layer ${hexOf(layer.diffId)}`;

describe('what may go', () => {
  it('is what neither the factory, the current nor the previous revision needs, and what it frees is told before', async () => {
    const { collector, revisions, swap, layers, open } = await collectingDevice();
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
    const { collector, swap, state, store } = await collectingDevice();
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
    expect(await collector.whyNeeded(imageOf('web:5', [two]).digest)).toMatch(/sent just now/);
    expect((await store.list()).map(({ refs }) => refs[0])).toContain('web:5');
  });

  it('is nothing while a swap is under way, and a swap that begins ends the removing', async () => {
    const { collector, swap, state, layers } = await collectingDevice();
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
    const { collector, swap, paths } = await collectingDevice({ volumes: true });
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

  it('is not what the revisions of another root image need that the device can go back to', async () => {
    const { collector, swap, paths, state } = await collectingDevice();
    const own = await largeLayer(10_000);
    for (const [name, layer] of [
      ['web:1', own],
      ['web:2', shared],
      ['web:3', await largeLayer(1000)],
    ] as const)
      await swap(name, [layer]);
    expect(words((await collector.preview()).items)).toContain(layerItem(own));
    const others = join(paths.data, 'revisions', 'another');
    await cp(join(paths.data, 'revisions', 'os'), others, { recursive: true });
    state.startable = ['os', 'another'];
    expect(words((await collector.collect()).items)).toEqual(['revision 1']);
    state.startable = ['os'];
    expect(words((await collector.preview()).items)).toContain(layerItem(own));
  });

  it('is not what init containers and bases are made of that the scripts may start', async () => {
    const { collector, swap, paths } = await collectingDevice();
    const own = await largeLayer(10_000);
    const image = await swap('init:1', [own]);
    for (const name of ['init:2', 'init:3']) await swap(name, [shared]);
    expect(words((await collector.preview()).items)).toContain(layerItem(own));
    await mkdir(join(paths.data, 'init/os/images', hexOf(image.digest)), { recursive: true });
    expect(words((await collector.collect()).items)).toEqual(['revision 1']);
    // No revision has it any more, and it is still not to be removed.
    expect(await collector.whyNeeded(image.digest)).toMatch(/go back to it by itself/);
    expect(await collector.collectImages(image.digest)).toEqual({ items: [], bytes: 0 });
  });

  it('is not taken for being there by who announces it just then', async () => {
    const { collector, store, swap } = await collectingDevice();
    const own = await largeLayer(10_000);
    const image = await swap('web:1', [shared, own]);
    for (const name of ['web:2', 'web:3']) await swap(name, [shared, await largeLayer(1000)]);
    // Announced when the image goes and before its layer does; whether that waits is what is tried.
    let announced: ReturnType<typeof collector.announce> | undefined;
    const forget = store.forget.bind(store);
    store.forget = async (digest) => {
      await forget(digest);
      announced = collector.announce(image);
      const offered = announced.then(() => true);
      for (let turn = 0; turn < 2000; turn++) if (await Promise.race([offered, nextTurn(false)])) return;
    };
    expect(words((await collector.collect()).items)).toContain(layerItem(own));
    expect((await announced)?.missing.map(({ diffId }) => diffId)).toEqual([own.diffId]);
    await collector.putLayer(own.diffId, own.digest, own.mediaType, pieces(own.blob));
    expect((await store.get(image.digest)).layers.length).toBe(2);
  });

  it('is not what was sent for a swap whose last layer takes longer than all the others', async () => {
    const { collector, layers } = await collectingDevice();
    const [one, two] = [await largeLayer(10_000), await largeLayer(10_000)];
    await collector.announce(imageOf('web:1', [one, two]));
    await collector.putLayer(one.diffId, one.digest, one.mediaType, pieces(one.blob));
    const rest = Promise.withResolvers<void>();
    const slow = async function* () {
      yield two.blob.subarray(0, 100);
      await rest.promise;
      yield two.blob.subarray(100);
    };
    const arriving = collector.putLayer(two.diffId, two.digest, two.mediaType, slow());
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + 3_600_000);
    onTestFinished(() => clock.mockRestore());
    expect(await collector.collect()).toEqual({ items: [], bytes: 0 });
    rest.resolve();
    await arriving;
    expect(await collector.collect()).toEqual({ items: [], bytes: 0 });
    clock.mockReturnValue(now + 7_200_000);
    expect((await collector.collect()).items).toHaveLength(3);
    expect((await layers()).size).toBe(0);
  });

  it('is no trouble when it has lost its seal', async () => {
    const { collector, paths, swap } = await collectingDevice();
    const own = await largeLayer(1000);
    for (const [name, layer] of [
      ['web:1', own],
      ['web:2', shared],
      ['web:3', shared],
    ] as const)
      await swap(name, [layer]);
    await rm(join(paths.data, 'seals', hexOf(own.diffId)));
    expect(words((await collector.collect()).items)).toContain(layerItem(own));
  });

  it('never is what was quarantined', async () => {
    const { collector, paths } = await collectingDevice();
    await mkdir(join(paths.data, 'quarantine/x'), { recursive: true });
    await writeFile(join(paths.data, 'quarantine/x/y'), 'z'.repeat(10_000));
    expect(await collector.collect()).toEqual({ items: [], bytes: 0 });
    expect(await collector.storage()).toMatchObject({ reclaimableBytes: 0, quarantinedBytes: expect.any(Number) });
    expect((await collector.storage()).quarantinedBytes).toBeGreaterThanOrEqual(10_000);
  });
});

/** The process dies before the `at`th change of a name in `folder`; without, the changes are counted. To die is to wait for ever. */
async function dying(folder: string, at: number | undefined, work: () => Promise<unknown>): Promise<number> {
  let passed = 0;
  let died: () => void = () => undefined;
  const death = new Promise<void>((resolve) => {
    died = resolve;
  });
  const pass = async (path: unknown) => {
    if (!String(path).startsWith(folder) || passed++ !== at) return;
    died();
    await new Promise(() => undefined);
  };
  const { rename, rm, open } = fsPromises;
  Object.assign(fsPromises, {
    rename: async (from: string, to: string) => pass(from).then(() => rename(from, to)),
    rm: async (path: string, options: object) => pass(path).then(() => rm(path, options)),
    open: async (path: string, flags: string, mode?: number) =>
      (flags === 'r' ? Promise.resolve() : pass(path)).then(() => open(path, flags, mode)),
  });
  syncBuiltinESMExports();
  try {
    await Promise.race([work(), death]);
  } finally {
    Object.assign(fsPromises, { rename, rm, open });
    syncBuiltinESMExports();
  }
  return passed;
}

describe('a collection that is killed', () => {
  it('at any moment leaves all that is needed whole, and the next one removes the rest', async () => {
    const prepared = async () => {
      const device = await collectingDevice();
      const own = [await largeLayer(1000), await largeLayer(1000), await largeLayer(1000)];
      for (const [index, layer] of own.entries()) await device.swap(`web:${index + 1}`, [shared, layer]);
      await device.swap('web:4', [shared, ...own], true);
      return device;
    };
    const first = await prepared();
    const moments = await dying(first.paths.data, undefined, () => first.collector.collect());
    expect(moments).toBeGreaterThan(10);
    for (let at = 0; at < moments; at++) {
      const { paths, collector, open, log } = await prepared();
      await dying(paths.data, at, () => collector.collect());
      const next = await open();
      expect(log).toEqual([]);
      const { current, previous } = next.revisions.list();
      expect([current, previous]).toEqual([3, 2]);
      for (const number of [2, 3]) {
        const image = next.revisions.get(number)?.revision.components.web?.image.digest ?? shared.diffId;
        expect((await next.store.get(image)).layers.length).toBe(2);
      }
      await next.collector.collect();
      expect(await next.collector.preview()).toEqual({ items: [], bytes: 0 });
      const names = await Promise.all(
        ['layers', 'seals', 'blobs', 'staging', 'revisions/os'].map((folder) => readdir(join(paths.data, folder))),
      );
      expect([at, ...names.map(({ length }) => length)]).toEqual([at, 3, 3, 4, 0, 4]);
    }
  });
});

describe('room for an image', () => {
  it('is made when it is needed, and no more of it: the newest former revisions stay', async () => {
    const { swap, revisions, log } = await collectingDevice({ megabytes: 16 });
    for (let version = 1; version <= 8; version++) await swap(`web:${version}`, [shared, await largeLayer(1_600_000)]);
    const states = revisions.list().revisions.map(({ number, state }) => `${number} ${state}`);
    expect(states.slice(0, 2)).toEqual(['8 current', '7 previous']);
    expect(states).toContain('6 available');
    expect(states).toContain('1 collected');
    expect(log.join('\n')).toMatch(/made room: \d/);
  });

  it('is foretold, without what was sent for the same swap, and nothing is removed for that', async () => {
    const { swap, collector, revisions, layers } = await collectingDevice({ megabytes: 16 });
    for (let version = 1; version <= 5; version++) await swap(`web:${version}`, [await largeLayer(1_600_000)]);
    const waiting = await largeLayer(1000);
    const kept = imageOf('page:1', [waiting]);
    await swap('page:1', [waiting], true);
    const [before, listed] = [await layers(), revisions.list()];
    const layer = await largeLayer(4_000_000);
    const image = imageOf('web:9', [layer]);
    const size = layer.blob.length;
    const missing = [{ size, mediaType: layer.mediaType }];
    expect(await collector.previewRoom([{ digest: image.digest, missing: [] }])).toEqual({ items: [], bytes: 0 });
    const free = await collector.previewRoom([{ digest: image.digest, missing }]);
    expect(words(free.items)).toContain('image page:1');
    const frees = await collector.previewRoom([
      { digest: kept.digest, missing: [] },
      { digest: image.digest, missing },
    ]);
    expect(words(frees.items)).toContain('revision 1');
    expect(words(frees.items)).not.toContain('image page:1');
    expect([await layers(), revisions.list()]).toEqual([before, listed]);
    const { room } = await collector.announce(image);
    expect(room?.collectedBytes).toBe(free.bytes);
  });

  it('that cannot be made is told before anything is sent, with figures', async () => {
    const { swap, collector, revisions, layers } = await collectingDevice({ megabytes: 12 });
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

  it('that is not even enough for the documents is told with figures', async () => {
    const { collector, paths } = await collectingDevice({ megabytes: 6 });
    execFileSync('sh', ['-c', 'dd if=/dev/zero of="$1/logs" bs=64k 2>/dev/null || true', 'sh', paths.data]);
    await expect(collector.announce(imageOf('web:9', [shared]))).rejects.toMatchObject({
      kind: 'full',
      message: expect.stringMatching(
        /the documents of web:9; nothing .*; 0 B are free, and "gantry gc" could free 0 B$/,
      ),
    });
  });

  it('that turns out too little while a layer comes is explained, and nothing of the layer is kept', async () => {
    const { collector, layers } = await collectingDevice({ megabytes: 10 });
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

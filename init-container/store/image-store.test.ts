import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import { openStore } from './open-store.ts';
import { imageOf, layerOf, pieces, type TestLayer, tarOf, temporaryFolder } from './test-support.ts';

async function freshStore(
  options: { folder?: string; factoryImages?: Parameters<typeof openStore>[0]['factoryImages'] } = {},
) {
  const folder = options.folder ?? (await temporaryFolder());
  const paths = {
    factoryLayers: join(folder, 'layers'),
    factoryBlobs: join(folder, 'blobs'),
    factoryRecipes: join(folder, 'recipes'),
    data: join(folder, 'data'),
  };
  await mkdir(paths.data, { recursive: true });
  const log: string[] = [];
  const open = () =>
    openStore({
      paths,
      arch: 'amd64',
      factoryImages: options.factoryImages ?? [],
      log: (message) => log.push(message),
    });
  const store = await open();
  const put = (layer: TestLayer, bytes = layer.blob) =>
    store.putLayer(layer.diffId, layer.digest, layer.mediaType, pieces(bytes));
  return { folder, paths, log, store, put, open };
}

const base = layerOf(await tarOf([{ name: 'etc/os', content: 'base' }]));
const top = layerOf(await tarOf([{ name: 'etc/web', content: 'top' }]), 'zstd');

describe('an image', () => {
  it('is announced, sent layer by layer, and then there; also for the next process', async () => {
    const { store, put, open, paths } = await freshStore();
    const image = imageOf('web:2', [base, top]);
    const offer = await store.announce(image);
    expect(offer.missing.map(({ diffId, size }) => [diffId, size])).toEqual(
      [base, top].map((l) => [l.diffId, l.blob.length]),
    );
    await expect(store.get(image.digest)).rejects.toThrow(/lacks 2 of 2 layers/);
    expect(await store.list()).toEqual([]);

    await put(base);
    expect((await store.announce(image)).missing.map(({ diffId }) => diffId)).toEqual([top.diffId]);
    await put(top);
    await put(top);
    const next = await open();
    expect((await next.announce(image)).missing).toEqual([]);
    const stored = await next.get(image.digest);
    expect(stored.layers).toEqual([top, base].map(({ diffId }) => join(paths.data, 'layers', hexOf(diffId))));
    expect(await readFile(join(stored.layers[0] ?? '', 'etc/web'), 'utf8')).toBe('top');
    expect(await next.list()).toMatchObject([{ digest: image.digest, refs: ['web:2'], sizeBytes: stored.sizeBytes }]);
    expect(await readdir(join(paths.data, 'staging'))).toEqual([]);
  });

  it('of the root image is used where it is, and its layers are not sent again', async () => {
    const image = imageOf('web:1', [base]);
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'layers', hexOf(base.diffId)), { recursive: true });
    await mkdir(join(folder, 'blobs'));
    await writeFile(join(folder, 'blobs', hexOf(image.digest)), image.manifest);
    await writeFile(join(folder, 'blobs', hexOf(digestOf(image.config))), image.config);
    const { store } = await freshStore({ folder, factoryImages: [{ ref: 'web:1', digest: image.digest }] });
    expect((await store.get(image.digest)).layers).toEqual([join(folder, 'layers', hexOf(base.diffId))]);
    expect(await store.list()).toMatchObject([{ refs: ['web:1'] }]);
    expect((await store.announce(imageOf('web:2', [base, top]))).missing.map((l) => l.diffId)).toEqual([top.diffId]);
    // The name moves on; the image it had stays, without it.
    await store.announce(imageOf('web:1', [base], { config: { created: '2025-01-02T03:04:05Z' } }));
    expect((await store.list()).map(({ refs, createdAt }) => [refs, createdAt])).toEqual([
      [['web:1'], '2025-01-02T03:04:05.000Z'],
      [[], '1970-01-01T00:00:00.000Z'],
    ]);
  });

  it('that uses a layer twice has it once', async () => {
    const { store, put } = await freshStore();
    const image = imageOf('twice', [base, top, base]);
    expect((await store.announce(image)).missing.length).toBe(2);
    await put(base);
    await put(top);
    expect((await store.get(image.digest)).layers.map((path) => path.slice(-64))).toEqual(
      [base, top].map((l) => hexOf(l.diffId)),
    );
  });

  it.each([
    [
      'whose manifest is another',
      { ...imageOf('x', [base]), manifest: '{}' },
      /manifest of x has the digest .* instead of/,
    ],
    ['whose configuration is another', { ...imageOf('x', [base]), config: '{}' }, /configuration of x has the digest/],
    [
      'for another machine',
      imageOf('x', [base], { config: { architecture: 'arm64' } }),
      /x is for linux\/arm64, this device is linux\/amd64/,
    ],
    ['for another system', imageOf('x', [base], { config: { os: 'windows' } }), /windows/],
    [
      'with too many layers',
      imageOf('x', [base], { config: { rootfs: { type: 'layers', diff_ids: [] } } }),
      /has 1 layers, but its configuration names 0/,
    ],
    ['with a layer of a strange kind', imageOf('x', [{ ...base, mediaType: 'image/png' }]), /image\/png/],
    [
      'that is an index',
      imageOf('x', [base], { manifest: { mediaType: 'application/vnd.oci.image.index.v1+json' } }),
      /not an image/,
    ],
    ['without layers', imageOf('x', []), /no layers/],
    ['whose manifest is not one', imageOf('x', [base], { manifest: { layers: 'none' } }), /not valid: layers/],
  ])('%s is refused, and nothing of it kept', async (_what, image, message) => {
    const { store, paths } = await freshStore();
    await expect(store.announce(image)).rejects.toThrow(message);
    await expect(store.announce(image)).rejects.toMatchObject({ kind: 'invalid' });
    expect(await readdir(join(paths.data, 'blobs'))).toEqual([]);
  });
});

describe('a layer', () => {
  it('that nobody announced is refused', async () => {
    const { store, put } = await freshStore();
    await expect(put(base)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/announce its image first/),
    });
    await store.announce(imageOf('web:2', [base]));
    await expect(put(top)).rejects.toMatchObject({ kind: 'refused' });
    await expect(put({ ...base, digest: top.digest })).rejects.toThrow(/was announced as/);
  });

  it('that is not what its digest says leaves nothing behind', async () => {
    const { store, put, paths } = await freshStore();
    await store.announce(imageOf('web:2', [base]));
    await expect(put(base, top.blob)).rejects.toMatchObject({ kind: 'invalid' });
    await expect(put(base, base.blob.subarray(0, 40))).rejects.toMatchObject({ kind: 'invalid' });
    expect([await readdir(join(paths.data, 'layers')), await readdir(join(paths.data, 'staging'))]).toEqual([[], []]);
    await put(base);
    expect(await readdir(join(paths.data, 'layers'))).toEqual([hexOf(base.diffId)]);
  });

  it('whose sender goes away leaves nothing behind', async () => {
    const { store, paths } = await freshStore();
    await store.announce(imageOf('web:2', [base]));
    async function* broken() {
      yield base.blob.subarray(0, 50);
      throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    }
    await expect(store.putLayer(base.diffId, base.digest, base.mediaType, broken())).rejects.toThrow('aborted');
    expect(await readdir(join(paths.data, 'staging'))).toEqual([]);
  });

  it('may come twice at the same time', async () => {
    const { store, put } = await freshStore();
    const image = imageOf('web:2', [base]);
    await store.announce(image);
    await Promise.all([put(base), put(base), put(base)]);
    expect((await store.get(image.digest)).layers.length).toBe(1);
  });
});

describe('the disk', () => {
  /** A data folder on a file system of its own. */
  async function smallDisk(options: string): Promise<string> {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'data'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', join(folder, 'data')]);
    onTestFinished(() => void execFileSync('umount', ['-l', join(folder, 'data')]));
    return folder;
  }

  it('too small for a layer is noticed before it is full', async () => {
    const { store, put, paths } = await freshStore({ folder: await smallDisk('size=6m') });
    const layer = layerOf(await tarOf([{ name: 'big', content: '\0'.repeat(3 << 20) }]));
    await store.announce(imageOf('big', [layer]));
    await expect(put(layer)).rejects.toMatchObject({
      kind: 'full',
      message: expect.stringMatching(/larger than the \d+ KiB/),
    });
    expect([await readdir(join(paths.data, 'layers')), await readdir(join(paths.data, 'staging'))]).toEqual([[], []]);
  });

  it.each([
    ['size=20m,nr_inodes=60', 'small files'],
    ['size=20m', 'small files'],
    ['size=20m', 'a large file'],
  ])('that gets full (%s) with %s gives one sentence and leaves nothing behind', async (options, what) => {
    const { store, put, paths } = await freshStore({ folder: await smallDisk(options) });
    const small = Array.from({ length: 90 }, (_, i) => ({ name: `dir/${i}`, content: `${i}` }));
    const files = what === 'small files' ? small : [{ name: 'large', content: '0'.repeat(1_000_000) }];
    const whiteouts = Array.from({ length: 10 }, (_, i) => ({ name: `.wh.${i}` }));
    const layer = layerOf(await tarOf([...files, ...whiteouts]));
    await store.announce(imageOf('many', [layer]));
    if (options === 'size=20m') {
      // What else is on the disk grows while the layer comes.
      const source = async function* () {
        yield layer.blob.subarray(0, 20);
        execFileSync('sh', ['-c', 'dd if=/dev/zero of="$1/fill" bs=64k 2>/dev/null || true', 'sh', paths.data]);
        yield layer.blob.subarray(20);
      };
      await expect(store.putLayer(layer.diffId, layer.digest, layer.mediaType, source())).rejects.toMatchObject({
        kind: 'full',
        message: expect.stringMatching(
          /^no space left on the device's data partition for the layer sha256:\w+; nothing of it was kept$/,
        ),
      });
    } else
      await expect(put(layer)).rejects.toMatchObject({
        kind: 'full',
        message: expect.stringMatching(/^no space left/),
      });
    expect([await readdir(join(paths.data, 'layers')), await readdir(join(paths.data, 'staging'))]).toEqual([[], []]);
  });

  it('has nothing of an interrupted transfer at the next start, whatever was in it', async () => {
    const { paths, open } = await freshStore();
    const left = join(paths.data, 'staging', 'layer-x', 'deep');
    await mkdir(left, { recursive: true });
    await symlink(paths.data, join(left, 'link'));
    await open();
    expect((await readdir(paths.data)).sort()).toEqual(['blobs', 'layers', 'recipes', 'seals', 'staging']);
    expect(await readdir(join(paths.data, 'staging'))).toEqual([]);
  });

  it('that lost the list of images gives the images back, and keeps the damaged list', async () => {
    const { store, put, open, paths, log } = await freshStore();
    const image = imageOf('web:2', [base]);
    await store.announce(image);
    await put(base);
    await writeFile(join(paths.data, 'refs.json'), 'garbage');
    const next = await open();
    expect(await next.list()).toMatchObject([{ digest: image.digest, refs: [] }]);
    const [kept = ''] = await readdir(join(paths.data, 'quarantine'));
    expect([kept, await readFile(join(paths.data, 'quarantine', kept), 'utf8')]).toEqual([
      expect.stringMatching(/-damaged-refs\.json$/),
      'garbage',
    ]);
    expect(log.join()).toMatch(/list of images is damaged.*found 1 images again/);
  });

  it('that damaged a document makes its image unknown, until it is announced again', async () => {
    const { store, put, paths } = await freshStore();
    const image = imageOf('web:2', [base]);
    await store.announce(image);
    await put(base);
    await writeFile(join(paths.data, 'blobs', hexOf(image.digest)), image.manifest.replace('}', ' }'));
    await expect(store.get(image.digest)).rejects.toThrow(/has the digest/);
    expect(await store.list()).toEqual([]);
    await store.announce(image);
    expect((await store.get(image.digest)).layers.length).toBe(1);
  });
});

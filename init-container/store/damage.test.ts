import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import { openRevisions } from '../revisions/revisions.ts';
import { fallBackUnlessWhole } from '../revisions/whole.ts';
import { FileJournal } from '../swap/journal.ts';
import { Collector } from './collector.ts';
import { openStore } from './open-store.ts';
import { imageOf, layerOf, pieces, tarOf, temporaryFolder } from './test-support.ts';
import { Uploads } from './uploads.ts';

const shared = layerOf(await tarOf([{ name: 'lib/libc', content: 'c'.repeat(5000) }]));
const versions = await Promise.all(
  [0, 1, 2, 3].map(async (version) => {
    const own = layerOf(
      await tarOf([
        { name: 'bin', type: 'directory' },
        { name: 'bin/web', content: `program ${version}`.repeat(50), mode: 0o755 },
        { name: 'bin/httpd', type: 'symlink', linkname: 'web' },
      ]),
    );
    const image = imageOf(`web:${version}`, [shared, own]);
    const web = { kind: 'service', image: { ref: image.ref, digest: image.digest }, order: 0, config: {} } as const;
    const revision: Revision = { schema: 1, components: { web } };
    return { version, layers: [shared, own], image, revision };
  }),
);
type Version = (typeof versions)[number];
const [factory, first, second, third] = versions as [Version, Version, Version, Version];

/** A device whose data folder holds all of versions 1 and 2, with 2 in force; 0 is in its root image. */
async function swappedTwice() {
  const folder = await temporaryFolder();
  const paths = {
    factoryRevision: join(folder, 'revision.json'),
    factoryLayers: join(folder, 'layers'),
    factoryBlobs: join(folder, 'blobs'),
    factoryRecipes: join(folder, 'recipes'),
    data: join(folder, 'data'),
  };
  for (const path of [paths.factoryLayers, paths.factoryBlobs, paths.data]) await mkdir(path);
  await writeFile(paths.factoryRevision, canonicalJson(factory.revision));
  await writeFile(join(paths.factoryBlobs, hexOf(factory.image.digest)), factory.image.manifest);
  await writeFile(join(paths.factoryBlobs, hexOf(digestOf(factory.image.config))), factory.image.config);
  const own = factory.layers[1];
  if (own) await mkdir(join(paths.factoryLayers, hexOf(own.diffId), 'bin'), { recursive: true });
  const log: string[] = [];
  const open = async () => {
    const report = (message: string) => void log.push(message);
    const revisions = await openRevisions({ imageId: 'os', paths, log: report });
    const factoryImages = [{ ref: factory.image.ref, digest: factory.image.digest }];
    const store = await openStore({ paths, arch: 'amd64', factoryImages, log: report });
    const damage = await fallBackUnlessWhole(revisions, store);
    const journal = new FileJournal(join(paths.data, 'swap.json'), report);
    await journal.read();
    const parts = {
      revisions,
      store,
      data: paths.data,
      imageId: 'os',
      imagesInUse: () => [],
      imagesOfParts: async () => [],
      uploads: await Uploads.open(join(paths.data, 'uploads')),
      startableImages: async () => undefined,
      busyWith: () => undefined,
    };
    return { revisions, store, damage, journal, collector: new Collector({ ...parts, log: report }) };
  };
  const { revisions, store, journal } = await open();
  for (const version of [first, second]) await swapIn(version, revisions, store);
  await journal.write({
    boot: 'b',
    startedAt: '2026-01-01T00:00:00Z',
    reason: 'swap web',
    base: 1,
    components: [{ name: 'web', ranBefore: true, wasWell: true }],
    well: [],
    applied: [],
    resumed: 0,
    refuses: true,
    phase: 'done',
    events: [],
  });
  return { paths, log, open };
}
type Device = Awaited<ReturnType<typeof swappedTwice>>;
type Opened = Awaited<ReturnType<Device['open']>>;

async function swapIn(version: Version, revisions: Opened['revisions'], store: Opened['store']): Promise<void> {
  const { missing } = await store.announce(version.image);
  for (const layer of version.layers) {
    if (!missing.some(({ diffId }) => diffId === layer.diffId)) continue;
    await store.putLayer(layer.diffId, layer.digest, layer.mediaType, pieces(layer.blob));
  }
  await store.get(version.image.digest);
  await revisions.commit((await revisions.append(version.revision, 'swap web')).number);
}

/** What of an image's own files differs from what was sent: read without any of the store's checks. */
async function expectContents({ store }: Opened, version: Version): Promise<void> {
  if (version === factory) return;
  const { layers } = await store.get(version.image.digest);
  const [own = '', base = ''] = layers;
  expect(await readFile(join(own, 'bin/web'), 'utf8')).toBe(`program ${version.version}`.repeat(50));
  expect((await lstat(join(own, 'bin/web'))).mode & 0o777).toBe(0o755);
  expect(await readFile(join(base, 'lib/libc'), 'utf8')).toBe('c'.repeat(5000));
}

const inForce = ({ revisions }: Opened) =>
  versions.find(({ image }) => image.digest === revisions.current().revision.components.web?.image.digest);

/** Paths in the data folder, for some injuries only those of files. */
async function everything(data: string, onlyFiles: boolean): Promise<string[]> {
  const all = await readdir(data, { recursive: true, withFileTypes: true });
  const paths = all
    .filter((entry) => entry.isFile() || !onlyFiles)
    .map((entry) => relative(data, join(entry.parentPath, entry.name)));
  return paths.filter((path) => !path.startsWith('quarantine')).sort();
}

async function injure(path: string, how: string, at: number): Promise<void> {
  const stat = await lstat(path);
  if (how === 'gone') return rm(path, { recursive: true });
  if (how === 'folder' || how === 'file' || !stat.isFile()) {
    await rm(path, { recursive: true });
    return how === 'folder' ? void (await mkdir(path)) : writeFile(path, 'garbage');
  }
  const bytes = await readFile(path);
  const position = Math.floor(at * Math.max(0, bytes.length - 1));
  if (how === 'cut') return writeFile(path, bytes.subarray(0, position));
  if (how === 'zeros') return writeFile(path, bytes.fill(0, position));
  return writeFile(
    path,
    bytes.map((byte, index) => (index === position ? byte ^ 4 : byte)),
  );
}

const layerFile = (data: string, version: Version, path: string) =>
  join(data, 'layers', hexOf(version.layers[1]?.diffId ?? version.image.digest), path);

describe('a store that is damaged', () => {
  it('in a layer that the revision in force needs: the revision before it runs, and the layer is kept aside', async () => {
    const { paths, open, log } = await swappedTwice();
    await injure(layerFile(paths.data, second, 'bin/web'), 'flip', 0.5);
    const opened = await open();
    expect(inForce(opened)).toBe(first);
    expect(opened.damage).toMatch(
      /^revision 2 is damaged on the disk: web \(web:2\): the image sha256:\w+ lacks 1 of 2 layers .*; revision 1 took its place$/,
    );
    expect(log.join()).toMatch(/the layer sha256:\w+ is damaged \(its files have the digest .*; kept as .*quarantine/);
    expect(opened.revisions.list().revisions[0]).toMatchObject({
      number: 2,
      failure: expect.stringMatching(/^damaged/),
    });
    const [kept = ''] = await readdir(join(paths.data, 'quarantine'));
    expect(await readdir(join(paths.data, 'quarantine', kept, 'bin'))).toContain('web');
    // It is sent again as if it never had been there.
    await swapIn(second, opened.revisions, opened.store);
    const next = await open();
    expect([inForce(next), next.damage]).toEqual([second, undefined]);
    await expectContents(next, second);
  });

  it('in what every revision shares: the factory revision runs', async () => {
    const { paths, open } = await swappedTwice();
    await rm(join(paths.data, 'layers', hexOf(shared.diffId), 'lib/libc'));
    const opened = await open();
    expect([inForce(opened), opened.damage]).toEqual([factory, expect.stringMatching(/the factory revision took its/)]);
    expect((await open()).damage).toBeUndefined();
  });

  it('only in a former revision: nothing changes until that one is wanted', async () => {
    const { paths, open } = await swappedTwice();
    await injure(layerFile(paths.data, first, 'bin/web'), 'cut', 0.5);
    const opened = await open();
    expect([inForce(opened), opened.damage]).toEqual([second, undefined]);
    await expect(opened.store.get(first.image.digest)).rejects.toThrow(/lacks 1 of 2 layers/);
  });

  it('in the list of images: nothing that is needed is taken for garbage', async () => {
    const { paths, open } = await swappedTwice();
    for (const text of ['garbage', '{"schema":1,"images":[]}']) {
      await writeFile(join(paths.data, 'refs.json'), text);
      const opened = await open();
      const { items } = await opened.collector.collect();
      expect(items.filter(({ kind }) => kind !== 'image')).toEqual([]);
      await expectContents(opened, second);
      await opened.store.get(first.image.digest);
    }
  });

  it('is read once in a boot, not at each start of the init container', async () => {
    const { paths } = await swappedTwice();
    const checkedNote = join(await temporaryFolder(), 'run/layers-checked');
    const reopen = () => openStore({ paths, arch: 'amd64', factoryImages: [], checkedNote, log: () => undefined });
    await (await reopen()).get(second.image.digest);
    await injure(layerFile(paths.data, second, 'bin/web'), 'flip', 0.5);
    expect((await (await reopen()).get(second.image.digest)).layers.length).toBe(2);
    await rm(checkedNote);
    await expect((await reopen()).get(second.image.digest)).rejects.toThrow(/lacks/);
  });

  it('anywhere, in any way: it opens with a whole revision, and the next swap works', async () => {
    const injury = fc.record({
      which: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      how: fc.constantFrom('flip', 'flip', 'flip', 'cut', 'zeros', 'gone', 'folder', 'file'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(injury, { minLength: 1, maxLength: 3 }), async (injuries) => {
        const { paths, open } = await swappedTwice();
        for (const { which, at, how } of injuries) {
          const all = await everything(paths.data, ['flip', 'cut', 'zeros'].includes(how));
          await injure(join(paths.data, all[Math.floor(which * all.length)] ?? ''), how, at);
        }
        const opened = await open();
        const current = inForce(opened);
        expect([factory, first, second]).toContain(current);
        await opened.collector.collect();
        await expectContents(opened, current ?? third);
        await swapIn(third, opened.revisions, opened.store);
        const next = await open();
        expect([inForce(next), next.damage]).toEqual([third, undefined]);
        await expectContents(next, third);
      }),
      { numRuns: 80 },
    );
  }, 120_000);
});

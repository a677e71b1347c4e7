import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { hexOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { imagesOfParts } from '../parts/image-folders.ts';
import { openRevisions } from '../revisions/revisions.ts';
import { Collector } from './collector.ts';
import { openStore } from './open-store.ts';
import { imageOf, layerOf, pieces, type TestLayer, tarOf, temporaryFolder } from './test-support.ts';
import { Uploads } from './uploads.ts';

/** A layer of the factory image web:0, and of most others. */
export const shared = layerOf(await tarOf([{ name: 'lib', content: randomBytes(30_000).toString('hex') }]));

/** A layer of its own, about as large as that. */
export const largeLayer = async (bytes: number) =>
  layerOf(await tarOf([{ name: 'own', content: randomBytes(bytes / 2).toString('hex') }]));

/** A device whose data folder, when `megabytes` are given, is a small disk of its own. */
export async function collectingDevice(options: { megabytes?: number; volumes?: boolean } = {}) {
  const folder = await temporaryFolder();
  const paths = {
    factoryRevision: join(folder, 'revision.json'),
    factoryLayers: join(folder, 'layers'),
    factoryBlobs: join(folder, 'blobs'),
    factoryRecipes: join(folder, 'recipes'),
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
  const state: { inUse: Digest[]; turns: number; startable: string[] | undefined } = {
    inUse: [],
    turns: Number.POSITIVE_INFINITY,
    startable: undefined,
  };
  const open = async () => {
    const report = (message: string) => void log.push(message);
    const revisions = await openRevisions({ imageId: 'os', paths, log: report });
    const factoryImages = [{ ref: 'web:0', digest: factoryImage.digest }];
    const store = await openStore({ paths, arch: 'amd64', factoryImages, log: report });
    const volumeFolders = (revision: Revision) =>
      Object.values(revision.components).map(({ image }) => `volumes/revision/www/${hexOf(image.digest)}`);
    const collector = new Collector({
      store,
      revisions,
      data: paths.data,
      imageId: 'os',
      startableImages: async () => state.startable,
      imagesInUse: () => state.inUse,
      imagesOfParts: () => imagesOfParts(paths.data),
      uploads: await Uploads.open(join(paths.data, 'uploads')),
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

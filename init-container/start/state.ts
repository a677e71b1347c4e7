import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { devicePaths, type ImageInfo } from '../../src/shared/device-paths.ts';
import { configOf } from '../engine/image-config.ts';
import { Volumes } from '../engine/volumes.ts';
import { sayOnConsole } from '../native/console-message.ts';
import { journal } from '../native/journal.ts';
import { openRevisions } from '../revisions/revisions.ts';
import type { Revisions } from '../revisions/types.ts';
import { fallBackUnlessWhole } from '../revisions/whole.ts';
import { exists } from '../store/durable.ts';
import type { LayerStore } from '../store/image-store.ts';
import { openStore } from '../store/open-store.ts';

/** What the device is made of, as its root image and its data folder say. */
export interface DeviceState {
  image: ImageInfo;
  /** The data folder outlives a power-off. */
  persistent: boolean;
  revisions: Revisions;
  /** The revision that the root image brought. */
  factory: Revision;
  store: LayerStore;
  volumes: Volumes;
  /** What was found damaged, for people. */
  damage: string | undefined;
}

/** Opens what is kept, and falls back to an older revision when the one in force is not whole. */
export async function openState(): Promise<DeviceState> {
  const image = JSON.parse(await readFile(devicePaths.imageInfo, 'utf8')) as ImageInfo;
  const persistent = await exists(devicePaths.persistentMark);
  const revisions = await openRevisions({ imageId: image.id, log: journal });
  const factory = revisions.get(0)?.revision ?? revisions.current().revision;
  const store = await openStore({
    factoryImages: Object.values(factory.components).map((component) => component.image),
    checkedNote: join(devicePaths.run, 'layers-checked'),
    log: journal,
  });
  const checkedFrom = performance.now();
  const damage = await fallBackUnlessWhole(revisions, store);
  const checkedMs = Math.round(performance.now() - checkedFrom);
  if (damage === undefined) journal(`all that is in force is whole: read in ${checkedMs} ms`);
  else await sayOnConsole(damage);
  const volumes = new Volumes({
    revision: () => revisions.current().revision,
    configFor: async (spec) => configOf(spec, await store.get(spec.image.digest)),
  });
  return { image, persistent, revisions, factory, store, volumes, damage };
}

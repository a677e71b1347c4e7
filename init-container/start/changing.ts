import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { sayOnConsole } from '../native/console-message.ts';
import { journal } from '../native/journal.ts';
import { ImageContents } from '../parts/image-contents.ts';
import { imagesOfParts } from '../parts/image-folders.ts';
import { makeInitramfs } from '../parts/make-initramfs.ts';
import { deviceRoot, openParts, type Parts } from '../parts/open-parts.ts';
import { PartsCheck } from '../parts/parts-check.ts';
import { ping } from '../parts/ping.ts';
import { rootDevice } from '../parts/root-device.ts';
import { openUpgrades, type Upgrades } from '../parts/upgrade.ts';
import { revisionsFolder } from '../revisions/revisions.ts';
import { Collector } from '../store/collector.ts';
import { Uploads } from '../store/uploads.ts';
import type { ContainerSupervisor } from '../supervisor/supervisor.ts';
import { FileJournal, readBootId } from '../swap/journal.ts';
import { openSwaps, type Swaps } from '../swap/swaps.ts';
import type { Ending } from './ending.ts';
import type { DeviceState } from './state.ts';

/** All by which the device becomes another one than it was. */
export interface Changing {
  parts: Parts;
  partsCheck: PartsCheck;
  swaps: Swaps;
  upgrades: Upgrades;
  collector: Collector;
}

export interface ChangingOptions {
  state: DeviceState;
  supervisor: ContainerSupervisor;
  ending: Ending;
  /** Whether it is known which containers run: nothing is removed before. */
  isAdopted: () => boolean;
  apiSocket: string;
}

export async function openChanging(options: ChangingOptions): Promise<Changing> {
  const { state, supervisor, ending, isAdopted, apiSocket } = options;
  const { image, persistent, revisions, factory, store, volumes, damage } = state;
  const { data } = devicePaths;
  const works = (signal: AbortSignal) => ping(apiSocket, signal);
  const parts = await openParts({ images: store, factory, image, persistent, works, log: journal });
  const swaps = await openSwaps({
    revisions,
    images: store,
    supervisor,
    journal: new FileJournal(join(revisionsFolder(image.id), 'swap.json'), journal),
    bootId: await readBootId(),
    processId: randomUUID(),
    swappers: parts.swappers,
    restart: async (effect) => (effect === 'reboot' ? ending.power('reboot') : ending.leave('a swap')),
    volumes,
    persistent,
    log: journal,
  });
  const swapping = () => swaps.latest !== undefined && !swaps.latest.ended;
  const partsCheck = new PartsCheck({ revisions, swappers: parts.swappers, swapping, say: sayOnConsole });
  const flaws = [damage, await partsCheck.fallBack()].filter((flaw) => flaw !== undefined).join('; ');
  const uploads = await Uploads.open(join(data, 'uploads'));
  const { slots } = parts;
  const layerContents = () => store.layerContents();
  const factoryInitramfs = () =>
    makeInitramfs({ root: deviceRoot, bootModules: image.bootModules, tree: join(deviceRoot, 'usr/lib/modules') });
  const upgrades = await openUpgrades({
    slots,
    image,
    contents: slots && new ImageContents({ slots, rootDevice, factoryInitramfs, layerContents, data }),
    uploads,
    unable: parts.noSlots,
    supervisor,
    data,
    reboot: () => ending.power('reboot'),
    swapping,
    log: journal,
  });
  const collector = new Collector({
    store,
    revisions,
    data,
    imageId: image.id,
    startableImages: async () => parts.slots?.images(),
    imagesOfParts: () => imagesOfParts(data),
    uploads,
    imagesInUse: () => supervisor.instances().flatMap(({ record }) => (record ? [record.image.digest] : [])),
    volumeFolders: (revision) => volumes.keptFolders(revision),
    busyWith: () => {
      if (!isAdopted()) return 'the start';
      if (upgrades.busy) return 'an upgrade';
      return swapping() ? 'a swap' : undefined;
    },
    ...(flaws === '' ? {} : { damage: flaws }),
    log: journal,
  });
  return { parts, partsCheck, swaps, upgrades, collector };
}

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { journal } from '../native/journal.ts';
import { openParts, type Parts } from '../parts/open-parts.ts';
import { ping } from '../parts/ping.ts';
import { Upgrades } from '../parts/upgrade.ts';
import { Collector } from '../store/collector.ts';
import type { ContainerSupervisor } from '../supervisor/supervisor.ts';
import { FileJournal, readBootId } from '../swap/journal.ts';
import { openSwaps, type Swaps } from '../swap/swaps.ts';
import type { Ending } from './ending.ts';
import type { DeviceState } from './state.ts';

/** All by which the device becomes another one than it was. */
export interface Changing {
  parts: Parts;
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
    journal: new FileJournal(join(data, 'swap.json'), journal),
    bootId: await readBootId(),
    processId: randomUUID(),
    swappers: parts.swappers,
    restart: async (effect) => (effect === 'reboot' ? ending.power('reboot') : ending.leave('a swap')),
    volumes,
    persistent,
    log: journal,
  });
  const collector = new Collector({
    store,
    revisions,
    data,
    imagesInUse: () => supervisor.instances().flatMap(({ record }) => (record ? [record.image.digest] : [])),
    volumeFolders: (revision) => volumes.keptFolders(revision),
    busyWith: () => {
      if (!isAdopted()) return 'the start';
      return swaps.latest === undefined || swaps.latest.ended ? undefined : 'a swap';
    },
    ...(damage === undefined ? {} : { damage }),
    log: journal,
  });
  const reboot = () => ending.power('reboot');
  const upgrades = new Upgrades({ slots: parts.slots, image, persistent, supervisor, data, reboot, log: journal });
  return { parts, swaps, upgrades, collector };
}

import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { UpgradeImage } from '../../src/shared/api/types.ts';
import type { ImageInfo } from '../../src/shared/device-paths.ts';
import { diskUsage, fileSystemRoom } from '../store/disk-usage.ts';
import { StoreError } from '../store/errors.ts';
import type { Slots } from './slots.ts';

/** Room that the data partition keeps for revisions and logs. */
const reserveBytes = 4 << 20;

/** Throws a `StoreError` when an image is not for a device that runs `own`. */
export function expectFitting(image: UpgradeImage, own: ImageInfo): void {
  if (image.id === own.id) throw new StoreError('refused', `the device runs the image ${image.id} already`);
  if (image.arch !== own.arch || image.board !== own.board) {
    throw new StoreError(
      'invalid',
      `the image is for ${image.board} (${image.arch}), and this device is ${own.board} (${own.arch})`,
    );
  }
  if (!image.cmdline.split(/\s+/).includes(`gantry.image=${image.id}`))
    throw new StoreError('invalid', `the command line of the image does not name it (gantry.image=${image.id})`);
}

/**
 * Throws a `StoreError` when there is no room for an image. Otherwise says whether what is in the slot can stay until the new one is
 * there. `data`: the data partition.
 */
export async function expectRoom(image: UpgradeImage, slots: Slots, data: string): Promise<boolean> {
  const { freeBytes } = await fileSystemRoom(data);
  const needed = image.files.reduce((sum, { size }) => sum + size, reserveBytes);
  const spare = await slots.spare();
  const room = freeBytes + (spare === undefined ? 0 : await freedBytes(slots.folder(spare)));
  if (room >= needed) return freeBytes >= needed;
  const words = `the image needs ${Math.ceil(needed / 2 ** 20)} MiB of the data partition, which has ${Math.floor(room / 2 ** 20)} MiB left for it`;
  throw new StoreError('full', `${words}; nothing was changed`);
}

/** What the disk gets back when a slot is emptied: a root image may have a second name in the other one. */
async function freedBytes(folder: string): Promise<number> {
  const root = await lstat(join(folder, 'root.img')).catch(() => undefined);
  return (await diskUsage(folder)) - (root !== undefined && root.nlink > 1 ? root.blocks * 512 : 0);
}

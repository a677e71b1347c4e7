import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { type FatFile, fat32 } from './fat32.ts';
import { partitionTable } from './partitions.ts';

const sectorBytes = 512;
const mebibyte = 2 ** 20 / sectorBytes;
/** Cards erase whole blocks of up to 4 MiB: partitions begin at their borders. */
const alignment = 4 * mebibyte;
const bootSectors = 128 * mebibyte;
/** What is left behind the root image at least, for the data partition. */
const smallestRest = 32 * mebibyte;

/**
 * Writes a disk image: a partition table, a FAT32 partition with `bootFiles`, and a partition with the root image. The
 * device makes its data partition of the rest at its first start (`claim_rest` in the initramfs). The size is a power of
 * two, which QEMU wants of cards. `id` is the image's: its first 8 digits become the disk's signature, by which the
 * initramfs knows it. The file is sparse; the same input gives the same bytes.
 */
export async function writeDiskImage(path: string, from: { rootImage: string; bootFiles: FatFile[]; id: string }) {
  const signature = Buffer.from(from.id.slice(0, 8), 'hex');
  const rootStart = alignment + bootSectors;
  const rootSectors = Math.ceil((await stat(from.rootImage)).size / sectorBytes);
  const least = Math.ceil((rootStart + rootSectors) / alignment) * alignment + smallestRest;
  const sectors = 2 ** Math.ceil(Math.log2(least));
  const fat = fat32({
    sectors: bootSectors,
    hidden: alignment,
    label: 'GANTRY-BOOT',
    serial: signature.readUInt32LE(0),
    files: from.bootFiles,
  });
  const table = partitionTable(
    [
      { start: alignment, sectors: bootSectors, type: 0x0c, bootable: true },
      { start: rootStart, sectors: rootSectors, type: 0x83 },
    ],
    signature,
  );
  const file = await open(path, 'wx');
  try {
    await file.truncate(sectors * sectorBytes);
    await file.write(table, 0, table.length, 0);
    await file.write(fat, 0, fat.length, alignment * sectorBytes);
    let at = rootStart * sectorBytes;
    for await (const chunk of createReadStream(from.rootImage, { highWaterMark: 2 ** 20 })) {
      const { bytesWritten } = await file.write(chunk as Buffer, 0, (chunk as Buffer).length, at);
      at += bytesWritten;
    }
  } finally {
    await file.close();
  }
  return sectors * sectorBytes;
}

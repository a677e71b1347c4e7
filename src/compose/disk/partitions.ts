/** One of the four primary partitions of a table; places and sizes in sectors of 512 bytes. */
export interface Partition {
  start: number;
  sectors: number;
  /** 0x0c: FAT32, 0x83: Linux. */
  type: number;
  bootable?: boolean;
}

/** A master boot record with these partitions and this signature (4 bytes, by which a disk is known). */
export function partitionTable(partitions: readonly Partition[], signature: Buffer): Buffer {
  const sector = Buffer.alloc(512);
  signature.copy(sector, 440, 0, 4);
  partitions.forEach(({ start, sectors, type, bootable }, index) => {
    const at = 446 + index * 16;
    sector.writeUInt8(bootable === true ? 0x80 : 0, at);
    // Cylinders, heads and sectors that say: too large for these, see the numbers behind.
    sector.set([0xfe, 0xff, 0xff], at + 1);
    sector.writeUInt8(type, at + 4);
    sector.set([0xfe, 0xff, 0xff], at + 5);
    sector.writeUInt32LE(start, at + 8);
    sector.writeUInt32LE(sectors, at + 12);
  });
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

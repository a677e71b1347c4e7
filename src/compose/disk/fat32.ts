import { ComposeError } from '../errors.ts';
import { directoryEntry, entryCount, shortNames } from './fat-names.ts';

/** A file of a FAT partition; `path` has slashes, and its folders are made. */
export interface FatFile {
  path: string;
  content: Buffer;
}

export interface FatOptions {
  /** Size of the partition in sectors of 512 bytes. */
  sectors: number;
  /** Sectors of the disk before the partition. */
  hidden: number;
  /** At most 11 characters. */
  label: string;
  /** Volume id, 32 bits. */
  serial: number;
  files: readonly FatFile[];
}

type Folder = Map<string, Folder | Buffer>;

const sectorBytes = 512;
const reservedSectors = 32;
const endOfChain = 0x0fffffff;
/** With fewer clusters readers take the file system for FAT16, with more they need larger ones. */
const fewestClusters = 65525;
const mostClusters = 2 ** 20;
const isFolder = 0x10;
const isFile = 0x20;
const isLabel = 0x08;

/**
 * A FAT32 file system with these files: the bytes up to the last file's end, behind which the partition has to be zero. Names are
 * kept as they are (ASCII). All times are FAT's first, so that the same files give the same bytes. Throws when they do not fit.
 *
 * Source: Microsoft, "FAT: General Overview of On-Disk Format", 1.03. It is written once: every file is in one piece.
 */
export function fat32(options: FatOptions): Buffer {
  const { sectors } = options;
  const perCluster = clusterSize(sectors);
  const fatSectors = Math.ceil((sectors - reservedSectors) / (perCluster * (sectorBytes / 4) + 2));
  const clusters = Math.floor((sectors - reservedSectors - 2 * fatSectors) / perCluster);
  const volume = new Volume(perCluster * sectorBytes);
  volume.addFolder(tree(options.files), { parent: 0, label: options.label });
  const used = volume.chain.length - 2;
  if (used > clusters) {
    const megabytes = (count: number) => Math.ceil((count * perCluster * sectorBytes) / 1e6);
    throw new ComposeError(
      `what belongs on the boot partition has ${megabytes(used)} MB, and the partition only ${megabytes(clusters)} MB`,
    );
  }
  const head = Buffer.alloc((reservedSectors + 2 * fatSectors) * sectorBytes);
  const boot = bootSector(options, perCluster, fatSectors);
  const info = infoSector(clusters - used, volume.chain.length);
  // Both have a copy six sectors on.
  for (const sector of [0, 6]) {
    boot.copy(head, sector * sectorBytes);
    info.copy(head, (sector + 1) * sectorBytes);
  }
  volume.chain.forEach((next, cluster) => {
    for (const fat of [0, 1])
      head.writeUInt32LE(next, (reservedSectors + fat * fatSectors) * sectorBytes + cluster * 4);
  });
  return Buffer.concat([head, ...volume.contents()]);
}

/** Sectors of a cluster: the smallest that a partition of this size allows. */
function clusterSize(sectors: number): number {
  let size = 1;
  while (sectors / size > mostClusters) size *= 2;
  if (sectors / size < fewestClusters * 1.02) {
    throw new ComposeError(`a partition of ${sectors} sectors is too small for FAT32`);
  }
  return size;
}

function tree(files: readonly FatFile[]): Folder {
  const root: Folder = new Map();
  for (const { path, content } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const names = path.split('/');
    const name = names.pop() ?? '';
    let folder = root;
    for (const part of names) {
      const there = folder.get(part) ?? new Map();
      if (Buffer.isBuffer(there)) throw new ComposeError(`${path}: ${part} is a file`);
      folder.set(part, there);
      folder = there;
    }
    folder.set(name, content);
  }
  return root;
}

/** Clusters given out one after the other, with what is in them. */
class Volume {
  /** The file allocation table: for each cluster the next of its file. Its first two entries stand for no cluster. */
  readonly chain: number[] = [0x0ffffff8, endOfChain];
  readonly #pieces: { cluster: number; data: Buffer }[] = [];
  readonly #clusterBytes: number;

  constructor(clusterBytes: number) {
    this.#clusterBytes = clusterBytes;
  }

  /** Its first cluster. `parent` is 0 for a folder of the root folder, which alone has a label. */
  addFolder(folder: Folder, { parent, label }: { parent: number; label?: string }): number {
    const names = shortNames([...folder.keys()]);
    const entries = [...names.values()].reduce((sum, name) => sum + entryCount(name), label === undefined ? 2 : 1);
    const own = this.#claim(entries * 32);
    const head =
      label === undefined
        ? [
            directoryEntry({ short: '.'.padEnd(11) }, { attributes: isFolder, cluster: own }),
            directoryEntry({ short: '..'.padEnd(11) }, { attributes: isFolder, cluster: parent }),
          ]
        : [directoryEntry({ short: label.padEnd(11) }, { attributes: isLabel })];
    const inside = [...names].map(([key, name]) => {
      const child = folder.get(key);
      if (child === undefined) return Buffer.alloc(0);
      if (!Buffer.isBuffer(child)) {
        const cluster = this.addFolder(child, { parent: label === undefined ? own : 0 });
        return directoryEntry(name, { attributes: isFolder, cluster });
      }
      const cluster = this.#claim(child.length);
      if (child.length > 0) this.#pieces.push({ cluster, data: child });
      return directoryEntry(name, { attributes: isFile, cluster, bytes: child.length });
    });
    this.#pieces.push({ cluster: own, data: Buffer.concat([...head, ...inside]) });
    return own;
  }

  /** All clusters' bytes, in order. */
  *contents(): Generator<Buffer> {
    for (const { data } of this.#pieces.sort((a, b) => a.cluster - b.cluster)) {
      yield data;
      yield Buffer.alloc((this.#clusterBytes - (data.length % this.#clusterBytes)) % this.#clusterBytes);
    }
  }

  #claim(bytes: number): number {
    if (bytes === 0) return 0;
    const first = this.chain.length;
    for (let i = 1; i * this.#clusterBytes < bytes; i++) this.chain.push(first + i);
    this.chain.push(endOfChain);
    return first;
  }
}

function bootSector({ sectors, hidden, label, serial }: FatOptions, perCluster: number, fatSectors: number): Buffer {
  const sector = Buffer.alloc(sectorBytes);
  sector.set([0xeb, 0x58, 0x90]);
  sector.write('GANTRY  ', 3, 'latin1');
  sector.writeUInt16LE(sectorBytes, 11);
  sector.writeUInt8(perCluster, 13);
  sector.writeUInt16LE(reservedSectors, 14);
  sector.writeUInt8(2, 16); // tables
  sector.writeUInt8(0xf8, 21); // a fixed disk
  sector.writeUInt16LE(63, 24); // sectors of a track, as if it had tracks
  sector.writeUInt16LE(255, 26);
  sector.writeUInt32LE(hidden, 28);
  sector.writeUInt32LE(sectors, 32);
  sector.writeUInt32LE(fatSectors, 36);
  sector.writeUInt32LE(2, 44); // cluster of the root folder
  sector.writeUInt16LE(1, 48); // info sector
  sector.writeUInt16LE(6, 50); // copy of this sector
  sector.writeUInt8(0x80, 64);
  sector.writeUInt8(0x29, 66); // the next three fields are there
  sector.writeUInt32LE(serial, 67);
  sector.write(label.padEnd(11), 71, 11, 'latin1');
  sector.write('FAT32   ', 82, 'latin1');
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function infoSector(free: number, next: number): Buffer {
  const sector = Buffer.alloc(sectorBytes);
  sector.writeUInt32LE(0x41615252, 0);
  sector.writeUInt32LE(0x61417272, 484);
  sector.writeUInt32LE(free, 488);
  sector.writeUInt32LE(next, 492);
  sector.writeUInt32LE(0xaa550000, 508);
  return sector;
}

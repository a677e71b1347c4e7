import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** What QEMU's `blklogwrites` (the kernel's dm-log-writes) recorded: one element per request of the guest, in order. */
export interface Recorded {
  kind: 'write' | 'zero' | 'flush';
  /** Bytes on the disk. */
  offset: number;
  length: number;
  /** It is on the disk when it was answered, without a flush. */
  through: boolean;
  /** Where its bytes are in the log's file; only of a `write`. */
  dataAt: number;
}

const magic = 0x6a736677736872n;
const flags = { flush: 1n, through: 2n, discard: 4n };

/** How many requests the log's header counts: QEMU writes it before it answers a flush. */
export function countRecorded(path: string): number {
  return withFile(path, (file) => Number(readHeader(file, path).count));
}

/** All that the log holds. Throws when it is none. */
export function readWriteLog(path: string): Recorded[] {
  return withFile(path, (file) => {
    const { count, sectorSize } = readHeader(file, path);
    const size = fstatSync(file).size;
    const requests: Recorded[] = [];
    const entry = Buffer.alloc(32);
    let at = sectorSize;
    for (let number = 0n; number < count; number++) {
      if (at + sectorSize > size) throw new Error(`${path} ends before its ${count} requests do`);
      readSync(file, entry, 0, entry.length, at);
      const [sector, sectors, mode] = [0, 8, 16].map((offset) => entry.readBigUInt64LE(offset));
      const [offset, length] = [Number(sector) * sectorSize, Number(sectors) * sectorSize];
      at += sectorSize;
      const through = ((mode ?? 0n) & flags.through) !== 0n;
      const isDiscard = ((mode ?? 0n) & flags.discard) !== 0n;
      if (length > 0) requests.push({ kind: isDiscard ? 'zero' : 'write', offset, length, through, dataAt: at });
      if (((mode ?? 0n) & flags.flush) !== 0n)
        requests.push({ kind: 'flush', offset: 0, length: 0, through, dataAt: at });
      if (!isDiscard) at += length;
    }
    return requests;
  });
}

function readHeader(file: number, path: string): { count: bigint; sectorSize: number } {
  const header = Buffer.alloc(28);
  if (readSync(file, header, 0, header.length, 0) < header.length || header.readBigUInt64LE(0) !== magic) {
    throw new Error(`${path} is not a log of writes`);
  }
  return { count: header.readBigUInt64LE(16), sectorSize: header.readUInt32LE(24) };
}

function withFile<T>(path: string, work: (file: number) => T): T {
  const file = openSync(path, 'r');
  try {
    return work(file);
  } finally {
    closeSync(file);
  }
}

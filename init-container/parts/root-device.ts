import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { devicePaths } from '../../src/shared/device-paths.ts';

/** mksquashfs fills the last of so many bytes with zeros. */
const padding = 4096;
/** Up to where a squashfs says how many bytes it has. */
const superblockBytes = 48;

/**
 * The block device that this system's root image is read from; undefined when it comes from none. Its files are bound from
 * the image directly, so that they are on the image's own device and not on the overlay's.
 */
export async function rootDevice(file: string = devicePaths.imageInfo): Promise<string | undefined> {
  const { dev } = await stat(file, { bigint: true });
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const facts = await readFile(`/sys/dev/block/${major}:${minor}/uevent`, 'utf8').catch(() => '');
  const name = /^DEVNAME=(.+)$/m.exec(facts)?.[1];
  return name === undefined ? undefined : `/dev/${name}`;
}

/** Bytes of the squashfs at the beginning of a file or a device; undefined when there is none. */
export async function squashfsBytes(path: string): Promise<number | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const superblock = Buffer.alloc(superblockBytes);
    const { bytesRead } = await file.read(superblock, 0, superblockBytes, 0);
    if (bytesRead < superblockBytes || superblock.toString('latin1', 0, 4) !== 'hsqs') return undefined;
    const used = superblock.readBigUInt64LE(40);
    if (used === 0n || used > 2n ** 50n) return undefined;
    return Math.ceil(Number(used) / padding) * padding;
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}

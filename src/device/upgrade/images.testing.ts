import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../../init-container/store/test-support.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import type { HostCache } from '../transfer/host-cache.ts';

/** What a squashfs says of itself and blocks as they are in one, filled up as mksquashfs does. */
export function rootImageOf(blocks: readonly Buffer[]): Buffer {
  const superblock = Buffer.alloc(96);
  superblock.write('hsqs', 'latin1');
  const content = Buffer.concat([superblock, ...blocks]);
  content.writeBigUInt64LE(BigInt(content.length), 40);
  return Buffer.concat([content, Buffer.alloc((4096 - (content.length % 4096)) % 4096)]);
}

export interface TestImage {
  dir: string;
  id: string;
  files: { kernel: Buffer; 'initrd.img': Buffer; 'root.img': Buffer };
}

/** A folder as `gantry build` writes it. */
export async function imageFolder(id: string, files: TestImage['files']): Promise<TestImage> {
  const dir = join(await temporaryFolder(), 'image');
  mkdirSync(dir);
  const manifest = { id, name: 'os', arch: 'amd64', board: 'pc', cmdline: `quiet gantry.image=${id}` };
  writeFileSync(join(dir, 'image.json'), JSON.stringify(manifest));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  return { dir, id, files };
}

/** The host has built or sent this image. */
export async function keep(cache: HostCache, { dir, files }: TestImage): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) await cache.images.keep(join(dir, name), digestOf(bytes));
}

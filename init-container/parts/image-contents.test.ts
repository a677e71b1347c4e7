import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rootImageOf } from '../../src/device/upgrade/images.testing.ts';
import { readExactly } from '../../src/shared/delta/byte-source.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { LayerContents } from '../store/layer-contents.ts';
import { temporaryFolder } from '../store/test-support.ts';
import { ImageContents } from './image-contents.ts';
import { rootDevice, squashfsBytes } from './root-device.ts';
import { Slots } from './slots.ts';

const root = rootImageOf([Buffer.from('what runs')]);
const inSlot = rootImageOf([Buffer.alloc(9000, 'in a slot')]);
const noLayers = { list: async () => [], read: async () => undefined };

async function device(initramfs?: Buffer) {
  const data = await temporaryFolder();
  const disk = join(data, 'disk');
  // A partition is larger than the image in it.
  writeFileSync(disk, Buffer.concat([root, Buffer.alloc(5000, 'of others')]));
  const layerContents = () => LayerContents.read(noLayers as never, { find: async () => undefined });
  const factoryInitramfs = async () => initramfs ?? Promise.reject(new Error('the device has no modules'));
  const open = (cmdline = 'gantry.image=11111111') => {
    const slots = new Slots(cmdline, data);
    return {
      slots,
      contents: new ImageContents({ slots, rootDevice: async () => disk, factoryInitramfs, layerContents, data }),
    };
  };
  return { data, disk, open, note: join(data, 'root-images.json') };
}

async function fill(slots: Slots, id: string) {
  return slots.write(id, `gantry.image=${id}`, async (folder) => {
    for (const name of ['kernel', 'initrd.img']) writeFileSync(join(folder, name), `${name} of ${id}`);
    writeFileSync(join(folder, 'root.img'), inSlot);
  });
}

describe('a device', () => {
  it('has the root image that runs, in the length that it says, and hashes it once', async () => {
    const { open, disk, note } = await device();
    const whole = { name: 'root.img', size: 4096, digest: digestOf(root) };
    expect(await open().contents.list()).toEqual([whole]);
    expect(JSON.parse(readFileSync(note, 'utf8'))).toEqual({ '11111111': { size: 4096, digest: whole.digest } });
    writeFileSync(disk, Buffer.from(root).fill('x', 200, 300));
    expect(await open().contents.list()).toEqual([whole]);
    // What was made of it was wrong, or the note is damaged.
    await open().contents.forget();
    expect((await open().contents.list())[0]?.digest).not.toBe(whole.digest);
    writeFileSync(disk, root);
    writeFileSync(note, '{');
    expect(await open().contents.list()).toEqual([whole]);
  });

  it('has what is in the slots that stay, what runs first', async () => {
    const { open } = await device();
    const first = open();
    expect(await fill(first.slots, '22222222')).toBe('a');
    // It would be overwritten by the next one.
    expect((await first.contents.list()).map(({ digest }) => digest)).toEqual([digestOf(root)]);
    await first.slots.keep('a');
    const { contents } = open();
    expect((await contents.list()).map(({ name, digest }) => [name, digest])).toEqual([
      ['kernel', digestOf('kernel of 22222222')],
      ['initrd.img', digestOf('initrd.img of 22222222')],
      ['root.img', digestOf(root)],
      ['root.img', digestOf(inSlot)],
    ]);
    const { openContent } = await contents.open();
    const source = await openContent(digestOf('kernel of 22222222'));
    expect(source && (await readExactly(source, 0, source.size, 'it')).toString()).toBe('kernel of 22222222');
    await source?.close();
    expect(await openContent(digestOf('another'))).toBeUndefined();
  });

  it('makes the initramfs anew that its disk was started with, and none that a slot was', async () => {
    const initramfs = Buffer.from('busybox and modules');
    const { open } = await device(initramfs);
    const { slots, contents } = open();
    const made = { name: 'initrd.img', size: initramfs.length, digest: digestOf(initramfs) };
    expect(await contents.list()).toContainEqual(made);
    const source = await (await contents.open()).openContent(made.digest);
    expect(source && (await readExactly(source, 0, source.size, 'it')).equals(initramfs)).toBe(true);
    await slots.keep(await fill(slots, '22222222'));
    expect(await open('gantry.image=22222222 gantry.slot=a gantry.loader=11111111').contents.list()).not.toContainEqual(
      made,
    );
  });

  it('whose disk holds no image has none', async () => {
    const { open, disk } = await device();
    writeFileSync(disk, 'hsqs and not much more');
    expect(await open().contents.list()).toEqual([]);
    rmSync(disk);
    expect(await open().contents.list()).toEqual([]);
  });
});

describe('a squashfs', () => {
  it('is as long as it says, filled up', async () => {
    const path = join(await temporaryFolder(), 'image');
    for (const [used, bytes] of [
      [1n, 4096],
      [4096n, 4096],
      [4097n, 8192],
      [0n, undefined],
      [2n ** 63n, undefined],
    ] as const) {
      const superblock = Buffer.alloc(96);
      superblock.write('hsqs', 'latin1');
      superblock.writeBigUInt64LE(used, 40);
      writeFileSync(path, superblock);
      expect(await squashfsBytes(path)).toBe(bytes);
    }
    expect(await squashfsBytes(dirname(path))).toBeUndefined();
  });

  it('that is on no disk is not looked for', async () => {
    const folder = await temporaryFolder('/dev/shm');
    mkdirSync(join(folder, 'x'));
    expect(await rootDevice(folder)).toBeUndefined();
  });
});

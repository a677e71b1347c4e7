import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { noise } from '../../src/device/delta/delta.testing.ts';
import { makeDelta } from '../../src/device/delta/make-delta.ts';
import { rootImageOf } from '../../src/device/upgrade/images.testing.ts';
import type { UpgradeImage } from '../../src/shared/api/types.ts';
import { imageRecipe, imageTar } from '../../src/shared/boot/image-tar.ts';
import { bufferSource } from '../../src/shared/delta/byte-source.ts';
import { deltaMediaType } from '../../src/shared/delta/format.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { LayerContents } from '../store/layer-contents.ts';
import { pieces, temporaryFolder } from '../store/test-support.ts';
import { treeDigest } from '../store/tree-digest.ts';
import { Uploads } from '../store/uploads.ts';
import { ImageContents } from './image-contents.ts';
import { Slots } from './slots.ts';
import { openUpgrades } from './upgrade.ts';

const running = rootImageOf([noise(300_000)]);
const root = rootImageOf([noise(150_000), Buffer.from('new'), noise(300_000).subarray(150_000)]);
const contents = { kernel: noise(40_000, 2), 'initrd.img': noise(9_000, 3), 'root.img': root };
const files = Object.entries(contents).map(([name, bytes]) => ({ name, size: bytes.length, digest: digestOf(bytes) }));
const image = {
  ...{ id: '22222222', name: 'os', arch: 'amd64', board: 'pc', cmdline: 'gantry.image=22222222' },
  files,
} as unknown as UpgradeImage;
const plain = Buffer.concat(Object.values(contents));
const delta = await differenceFor(image.files, Object.values(contents));

async function differenceFor(files: UpgradeImage['files'] | readonly never[], bytes: Buffer[]): Promise<Buffer> {
  const recipe = imageRecipe(files);
  const base = { sha256: digestOf(running), path: 'root.img', size: running.length, place: undefined };
  const { parts } = await makeDelta({
    ...{ target: imageTar(recipe, bytes.map(bufferSource)), recipe, bases: [], others: [base], effort: 'fast' },
    present: new Set([base.sha256]),
    has: (sha256) => sha256 === base.sha256,
    openContent: async () => bufferSource(running),
  });
  return Buffer.concat(parts);
}

/** A device that runs an image, with an older one in its slot. */
async function device() {
  const folder = await temporaryFolder();
  const data = join(folder, 'data');
  mkdirSync(data);
  const disk = join(folder, 'disk');
  writeFileSync(disk, running);
  const slots = new Slots('gantry.image=11111111', data);
  await slots.write('33333333', 'gantry.image=33333333', async (slot) => {
    for (const name of ['kernel', 'initrd.img', 'root.img']) writeFileSync(join(slot, name), name);
  });
  const uploads = await Uploads.open(join(data, 'uploads'));
  const noLayers = { list: async () => [], read: async () => undefined };
  const factoryInitramfs = async () => contents['initrd.img'];
  const layerContents = () => LayerContents.read(noLayers as never, { find: async () => undefined });
  const open = () =>
    openUpgrades({
      slots,
      image: { name: 'os', id: '11111111', arch: 'amd64', gantry: '0', board: 'pc', bootModules: [] },
      contents: new ImageContents({ slots, rootDevice: async () => disk, factoryInitramfs, layerContents, data }),
      uploads,
      unable: undefined,
      supervisor: { status: async () => [], waitHealthy: async () => undefined },
      data,
      reboot: async () => undefined,
      swapping: () => false,
      log: () => undefined,
    });
  const upgrades = await open();
  const upload = async (blob: Buffer) => {
    await uploads.append(digestOf(blob), { offset: 0, length: blob.length, displace: () => undefined }, pieces(blob));
    return digestOf(blob);
  };
  const send = async (blob: Buffer, mediaType = deltaMediaType) =>
    upgrades.writeUploaded(image, { digest: await upload(blob), mediaType });
  const expectWritten = () => {
    for (const [name, bytes] of Object.entries(contents))
      expect(readFileSync(join(data, 'boot/a', name)).equals(bytes), name).toBe(true);
    expect(readdirSync(join(data, 'uploads'))).toEqual([]);
    expect(readdirSync(join(data, 'boot'))).toEqual(['a']);
  };
  return { data, disk, slots, uploads, upgrades, open, upload, send, expectWritten };
}

describe('an upload', () => {
  it.each([
    ['a difference', delta, deltaMediaType],
    ['the files', plain, 'application/octet-stream'],
  ])('of %s becomes the image in its slot', async (_what, blob, mediaType) => {
    const { send, expectWritten, upgrades } = await device();
    await send(blob, mediaType);
    expectWritten();
    expect(await upgrades.bases(image)).toEqual({ written: true, files: [] });
  });

  it('that is asked for twice is used once, also when the first asking was given up', async () => {
    const { upgrades, upload, expectWritten, open } = await device();
    const asked = { digest: await upload(delta), mediaType: deltaMediaType };
    const other = { ...image, name: 'other' };
    const first = upgrades.writeUploaded(image, asked);
    const refused = upgrades.writeUploaded(other, asked).catch((error: unknown) => error);
    await Promise.all([first, refused.then(() => upgrades.writeUploaded(image, asked))]);
    expect(await refused).toMatchObject({ kind: 'refused' });
    expectWritten();
    // The answer was lost with the init container.
    await (await open()).writeUploaded(image, asked);
    await expect(upgrades.writeUploaded(other, asked)).rejects.toMatchObject({ kind: 'unknown' });
    expectWritten();
  });

  it('of which the files in the slot were damaged since is not taken for written', async () => {
    const { send, data, upgrades } = await device();
    await send(delta);
    truncateSync(join(data, 'boot/a/root.img'), 5000);
    expect((await upgrades.bases(image)).written).toBe(false);
  });

  it('of a difference that cannot be used is refused, and what was in the slot is there still', async () => {
    const others = [{ name: 'kernel', size: 40_000, digest: digestOf(contents.kernel) }];
    const otherTar = await differenceFor(others as never, [contents.kernel]);
    const harm: [string, Buffer, (made: Awaited<ReturnType<typeof device>>) => void][] = [
      ['a base with other bytes', delta, ({ disk }) => writeFileSync(disk, Buffer.from(running).fill('x', 200_000))],
      ['a base that is gone', delta, ({ disk }) => writeFileSync(disk, 'no squashfs')],
      ['a tar of other files', otherTar, () => undefined],
      ['one that is cut off', delta.subarray(0, -5), () => undefined],
      ['one with a flipped bit', Buffer.from(delta).fill(0xff, delta.length - 40, delta.length - 39), () => undefined],
      ['one of another version', Buffer.from(delta).fill(9, 3, 4), () => undefined],
    ];
    for (const [what, blob, damage] of harm) {
      const made = await device();
      const { send, data, upgrades } = made;
      const listed = (await upgrades.bases(image)).files;
      const slot = () => treeDigest(join(data, 'boot'));
      const before = await slot();
      damage(made);
      await expect(send(blob), what).rejects.toMatchObject({
        kind: 'difference',
        message: expect.stringMatching(/^the difference cannot be used on this device: .*; send it whole$/),
      });
      expect(await slot(), what).toBe(before);
      expect(readdirSync(join(data, 'uploads')), what).toEqual([]);
      expect(
        listed.map(({ digest }) => digest),
        what,
      ).toEqual([digestOf(running), digestOf(contents['initrd.img'])]);
    }
  });

  it('that came while a swap was under way can be used later', async () => {
    const { uploads, upload, upgrades, expectWritten } = await device();
    const asked = { digest: await upload(delta), mediaType: deltaMediaType };
    const writing = upgrades.write({ ...image, id: '44444444', cmdline: 'gantry.image=44444444' }, pieces(plain));
    await expect(upgrades.writeUploaded(image, asked)).rejects.toMatchObject({ kind: 'refused' });
    await writing;
    expect(await uploads.offset(asked.digest)).toBe(delta.length);
    await upgrades.writeUploaded(image, asked);
    expectWritten();
  });
});

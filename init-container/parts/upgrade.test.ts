import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ComponentStatus, UpgradeImage } from '../../src/shared/api/types.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { Uploads } from '../store/uploads.ts';
import { Slots } from './slots.ts';
import { openUpgrades } from './upgrade.ts';

let data: string;
let ill: string | undefined;
let rebooted: number;
let swapping: boolean;
let stuck: boolean;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'gantry-upgrade-'));
  [ill, rebooted, swapping, stuck] = [undefined, 0, false, false];
});
afterEach(() => rmSync(data, { recursive: true }));

const own = { name: 'os', id: '11111111', arch: 'amd64', gantry: '1', board: 'pc', bootModules: [] } as const;
const parts = ['the kernel', 'the initramfs', 'the root'] as const;
const next: UpgradeImage = {
  id: '22222222',
  name: 'os',
  arch: 'amd64',
  board: 'pc',
  cmdline: 'console=ttyS0 gantry.image=22222222',
  files: [
    { name: 'kernel', size: parts[0].length, digest: digestOf(parts[0]) },
    { name: 'initrd.img', size: parts[1].length, digest: digestOf(parts[1]) },
    { name: 'root.img', size: parts[2].length, digest: digestOf(parts[2]) },
  ],
};

async function open(cmdline = 'gantry.image=11111111', id: string = own.id) {
  const slots = new Slots(cmdline, data);
  const supervisor = {
    status: async () => [{ name: 'web', kind: 'service' } as ComponentStatus],
    waitHealthy: async (name: string) => {
      if (name === ill) throw new Error(`${name}: not healthy in time`);
    },
  };
  const reboot = async () => {
    if (stuck) throw new Error('busybox reboot failed');
    rebooted += 1;
  };
  const image = { ...own, id, bootModules: [] };
  const uploads = await Uploads.open(join(data, 'uploads'));
  const fixed = { unable: undefined, contents: undefined, uploads, log: () => undefined };
  return {
    slots,
    upgrades: await openUpgrades({ ...fixed, slots, image, supervisor, data, reboot, swapping: () => swapping }),
  };
}
/** In pieces that end anywhere. */
async function* stream(text: string) {
  for (let at = 0; at < text.length; at += 4) yield Buffer.from(text.slice(at, at + 4));
}
const whole = parts.join('');

describe('an image', () => {
  it('is written, started once, and kept when everything in it is healthy', async () => {
    const { upgrades } = await open();
    await upgrades.write(next, stream(whole));
    expect(readFileSync(join(data, 'boot/a/root.img'), 'utf8')).toBe('the root');
    expect(await upgrades.status()).toEqual({ id: next.id, name: 'os', state: 'written' });
    let accepted = false;
    await upgrades.start(next.id, () => {
      accepted = true;
    });
    expect([accepted, rebooted, (await upgrades.status())?.state]).toEqual([true, 1, 'trying']);
    const cmdline = readFileSync(join(data, 'boot/a/cmdline'), 'utf8');
    expect(cmdline).toBe('console=ttyS0 gantry.image=22222222 gantry.slot=a gantry.loader=11111111');
    const started = await open(cmdline, next.id);
    await started.upgrades.settle();
    expect([await started.slots.current(), rebooted]).toEqual(['a', 1]);
    expect((await started.upgrades.status())?.state).toBe('kept');
  });

  it('in which something is ill is given up, and the one before says why', async () => {
    await (await open()).upgrades.write(next, stream(whole));
    await (await open()).upgrades.start(next.id, () => undefined);
    ill = 'web';
    const started = await open(readFileSync(join(data, 'boot/a/cmdline'), 'utf8'), next.id);
    await started.upgrades.settle();
    expect([await started.slots.current(), await started.slots.onTrial(), rebooted]).toEqual(['factory', undefined, 2]);
    expect(await (await open()).upgrades.status()).toEqual({
      id: next.id,
      name: 'os',
      state: 'failed',
      detail: 'web: not healthy in time',
    });
  });

  it('is neither written nor started beside another one, or beside a swap; nothing is removed meanwhile', async () => {
    const { upgrades } = await open();
    swapping = true;
    await expect(upgrades.write(next, stream(whole))).rejects.toThrow('a swap is under way');
    swapping = false;
    expect(upgrades.busy).toBe(false);
    const writing = upgrades.write(next, stream(whole));
    expect(upgrades.busy).toBe(true);
    await expect(upgrades.write(next, stream(whole))).rejects.toThrow('being written');
    await writing;
    expect(upgrades.busy).toBe(false);
    await upgrades.start(next.id, () => undefined);
    expect(upgrades.busy).toBe(true);
    const started = await open(readFileSync(join(data, 'boot/a/cmdline'), 'utf8'), next.id);
    expect(started.upgrades.busy).toBe(true);
    await expect(started.upgrades.start(own.id, () => undefined)).rejects.toThrow('being tried');
    await started.upgrades.settle();
    expect(started.upgrades.busy).toBe(false);
  });

  it('for which the device cannot restart is not started by the next restart either', async () => {
    const { slots, upgrades } = await open();
    await upgrades.write(next, stream(whole));
    stuck = true;
    await expect(upgrades.start(next.id, () => undefined)).rejects.toThrow('busybox reboot failed');
    expect([await slots.onTrial(), upgrades.busy]).toEqual([undefined, false]);
  });

  it('takes the room of the one that it replaces', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', data]);
    try {
      const root = randomBytes(3 << 20).toString('latin1');
      const bytes = Buffer.from(root, 'latin1');
      const files = next.files.map((file) =>
        file.name === 'root.img' ? { ...file, size: bytes.length, digest: digestOf(bytes) } : file,
      );
      const large = { ...next, files } as UpgradeImage;
      const pieces = async function* () {
        yield Buffer.from(parts[0] + parts[1]);
        yield bytes;
      };
      const { upgrades } = await open();
      for (const id of ['22222222', '33333333', '44444444'])
        await upgrades.write({ ...large, id, cmdline: `gantry.image=${id}` }, pieces());
      expect(await upgrades.status()).toMatchObject({ id: '44444444', state: 'written' });
    } finally {
      execFileSync('umount', [data]);
    }
  });

  it('that was kept long ago is not judged again', async () => {
    ill = 'web';
    await (await open()).upgrades.settle();
    expect(rebooted).toBe(0);
  });

  it.each([
    ['cut off', next, whole.slice(0, -1), 'ends in the middle of root.img'],
    [
      'with a flipped bit',
      next,
      whole.replace('initramfs', 'initramfz'),
      'initrd.img of the image is not what its digest',
    ],
    ['of another machine', { ...next, board: 'virt' }, whole, 'the image is for virt (amd64), and this device is pc'],
    ['that runs already', { ...next, id: own.id }, whole, 'runs the image 11111111 already'],
    ['whose command line names another', { ...next, cmdline: 'quiet' }, whole, 'does not name it'],
    ['larger than the disk', { ...next, files: withSize(2 ** 50) }, whole, 'MiB left'],
  ])('%s is refused, and nothing is left of it', async (_what, image, bytes, words) => {
    const { upgrades } = await open();
    await expect(upgrades.write(image as UpgradeImage, stream(bytes))).rejects.toThrow(words);
    const left = readdirSync(data).flatMap((name) => (name === 'boot' ? readdirSync(join(data, name)) : [name]));
    expect(left).toEqual(['uploads']);
    await expect(upgrades.start(next.id, () => undefined)).rejects.toThrow('send it first');
    expect(rebooted).toBe(0);
  });
});

function withSize(size: number) {
  const [kernel, initrd, root] = next.files;
  return [kernel, initrd, { ...root, size }];
}

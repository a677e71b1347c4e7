import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { partitionTable } from '../../src/compose/disk/partitions.ts';

/**
 * How a device makes its data partition of the rest of its card: the initramfs the partition, `make-data` the file system.
 * The scripts are the device's own, on files in place of its disks.
 */
const id = '5e249a31d2a8c9ce';
const boot = join(import.meta.dirname, '../boot');
const root = { start: 270_336, sectors: 121_368 };
const cardSectors = 1_048_576;
/** The next border of 4 MiB behind the root image. */
const dataStart = 393_216;

let dir: string;
let card: string;
let data: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-card-'));
  card = join(dir, 'dev/mmcblk0');
  data = join(dir, 'dev/mmcblk0p3');
  const disk = join(dir, 'disks/mmcblk0');
  for (const folder of ['dev', 'gantry', 'sys/class/block', 'disks/mmcblk0/mmcblk0p2']) {
    mkdirSync(join(dir, folder), { recursive: true });
  }
  symlinkSync(disk, join(dir, 'sys/class/block/mmcblk0'));
  symlinkSync(join(disk, 'mmcblk0p2'), join(dir, 'sys/class/block/mmcblk0p2'));
  writeFileSync(join(disk, 'size'), `${cardSectors}\n`);
  writeFileSync(join(disk, 'mmcblk0p2/partition'), '2\n');
  writeFileSync(join(disk, 'mmcblk0p2/start'), `${root.start}\n`);
  writeFileSync(join(disk, 'mmcblk0p2/size'), `${root.sectors}\n`);
  writeFileSync(join(dir, 'gantry/image.json'), `{"board":"raspi3b","id":"${id}"}`);
  const boot = { start: 8192, sectors: 262_144, type: 0x0c, bootable: true };
  writeFileSync(card, partitionTable([boot, { ...root, type: 0x83 }], Buffer.from(id.slice(0, 8), 'hex')));
  truncateSync(card, cardSectors * 512);
  writeFileSync(data, Buffer.alloc(1 << 20, 0xff));
  truncateSync(data, 16 << 20);
});
afterEach(() => rmSync(dir, { recursive: true }));

const placed = (script: string) =>
  script.replaceAll(/(?<![\w$}])\/(sys\/class|dev|gantry)\/(?!zero|null)/g, `${dir}/$1/`);
const busybox = (script: string) => execFileSync('busybox', ['sh', '-c', placed(script)], { encoding: 'utf8' });

/** As the initramfs does it when it has found the root image. */
function claim(image = id): void {
  const script = readFileSync(join(boot, 'initramfs'), 'utf8');
  const functions = script.slice(script.indexOf('# hex FILE'), script.indexOf('# The root image is known'));
  // A file has no partitions that the kernel would read again.
  busybox(`bb=busybox; image=${image}\n${functions.replace('$bb blockdev', ': blockdev')}\nclaim_rest mmcblk0p2; true`);
}

/** As `boot` does it; `findfs` looks at the one partition that there is. */
function makeData(): void {
  const findfs = `findfs() { [ "$(/usr/sbin/e2label ${data} 2>/dev/null)" = gantry-data ] && echo ${data}; }\n`;
  busybox(findfs + readFileSync(join(boot, 'make-data'), 'utf8').replaceAll('/dev/console', `${dir}/console`));
}

/** Bytes of the card, which is too large to be read as a whole. */
function onCard(at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(card, 'r');
  readSync(file, bytes, 0, length, at);
  closeSync(file);
  return bytes;
}
function writeToCard(at: number, bytes: Buffer): void {
  const file = openSync(card, 'r+');
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}
const table = () => onCard(0, 512);
const entry = () => {
  const bytes = table().subarray(478, 494);
  return { type: bytes.readUInt8(4), start: bytes.readUInt32LE(8), sectors: bytes.readUInt32LE(12) };
};
const label = () => execFileSync('/usr/sbin/e2label', [data], { encoding: 'utf8', stdio: 'pipe' }).trim();

describe('the partition', () => {
  it('is all that is behind the root image, empty, and nothing else of the table changes', () => {
    const before = table();
    writeToCard(512, Buffer.alloc(8192, 0xee));
    writeToCard(dataStart * 512, Buffer.alloc(1 << 20, 0xee));
    claim();
    expect(entry()).toEqual({ type: 0xda, start: dataStart, sectors: cardSectors - dataStart });
    const after = table();
    expect(after.subarray(0, 478).equals(before.subarray(0, 478))).toBe(true);
    expect(after.subarray(494).equals(before.subarray(494))).toBe(true);
    // What an earlier image left there would have its file system's mark in the first 2 KiB.
    expect(onCard(512, 8192).equals(Buffer.alloc(8192, 0xee))).toBe(true);
    expect(onCard(dataStart * 512, 1 << 17).equals(Buffer.alloc(1 << 17))).toBe(true);
  });

  it('is made once, and on the image’s own disk only', () => {
    const before = table();
    claim('0000000000000000');
    expect(table().equals(before)).toBe(true);
    claim();
    const made = table();
    writeFileSync(join(dir, 'disks/mmcblk0/size'), `${cardSectors * 2}\n`);
    claim();
    expect(table().equals(made)).toBe(true);
  });

  it('is left out where too little is left', () => {
    const before = table();
    writeFileSync(join(dir, 'disks/mmcblk0/size'), `${dataStart + 20_000}\n`);
    claim();
    expect(table().equals(before)).toBe(true);
  });

  it('ends where the table can name its end, on a card of more than 2 TiB', () => {
    writeFileSync(join(dir, 'disks/mmcblk0/size'), '9000000000\n');
    claim();
    expect(entry().sectors).toBe(2 ** 32 - 1);
  });
});

describe('its file system', () => {
  it('is made once: with its label, and then the type of a Linux partition', () => {
    claim();
    makeData();
    expect(label()).toBe('gantry-data');
    expect(entry()).toMatchObject({ type: 0x83, start: dataStart });
    const before = readFileSync(data);
    makeData();
    expect(readFileSync(data).equals(before)).toBe(true);
  });

  it('is made anew when the power failed before its label, and kept when it failed after', () => {
    claim();
    execFileSync('/usr/sbin/mke2fs', ['-q', '-F', '-t', 'ext4', data]);
    makeData();
    expect(label()).toBe('gantry-data');
    const whole = readFileSync(data);
    writeToCard(482, Buffer.from([0xda]));
    makeData();
    expect(readFileSync(data).equals(whole)).toBe(true);
    expect(entry().type).toBe(0x83);
  });

  it('is never made over damaged data', () => {
    claim();
    makeData();
    writeFileSync(data, Buffer.alloc(1 << 16, 0xff), { flag: 'r+' });
    const damaged = readFileSync(data);
    makeData();
    expect(readFileSync(data).equals(damaged)).toBe(true);
  });
});

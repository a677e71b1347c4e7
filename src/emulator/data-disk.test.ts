import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataDiskPath, ensureDataDisk, ensureWholeDisk, wholeDiskPath } from './data-disk.ts';
import { findProgram } from './programs.ts';
import { parseSize } from './size.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  process.env.XDG_STATE_HOME = home;
});
afterEach(() => {
  rmSync(home, { recursive: true });
  delete process.env.XDG_STATE_HOME;
});

test('is ext4 with the label that devices look for, and takes little room', async () => {
  const disk = await ensureDataDisk('demo', 2 ** 30);
  expect(disk).toEqual({ path: dataDiskPath('demo'), bytes: 2 ** 30, made: true });
  const about = execFileSync(findProgram('dumpe2fs', 'e2fsprogs'), ['-h', disk.path], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
  expect(about).toMatch(/volume name: +gantry-data\n/);
  expect(statSync(disk.path).size).toBe(2 ** 30);
  expect(statSync(disk.path).blocks * 512).toBeLessThan(64 * 2 ** 20);
});

test('is kept, with the size it has', async () => {
  await ensureDataDisk('demo', 32 * 2 ** 20);
  expect(await ensureDataDisk('demo', 64 * 2 ** 20)).toMatchObject({ bytes: 32 * 2 ** 20, made: false });
});

test('one that cannot be made leaves nothing behind', async () => {
  await expect(ensureDataDisk('demo', 2 ** 20)).rejects.toThrow(/too small/);
  await expect(ensureDataDisk('demo', 2 ** 62)).rejects.toThrow(/could not be made/);
  expect(readdirSync(dirname(dataDiskPath('demo')))).toEqual([]);
});

/** An image's folder with a disk of 64 KiB whose signature is the image's id. */
function imageWithDisk(id: string): { dir: string; id: string } {
  const dir = join(home, id);
  mkdirSync(dir);
  const disk = Buffer.alloc(2 ** 16, 1);
  disk.write(id, 440, 4, 'hex');
  writeFileSync(join(dir, 'disk.img'), disk);
  return { dir, id };
}

test('a copy of an image’s disk has the size asked for, as a power of two, and is kept', async () => {
  const image = imageWithDisk('00112233aabbccdd');
  const disk = await ensureWholeDisk('pi', image, 3_000_000);
  expect(disk).toEqual({ path: wholeDiskPath('pi'), bytes: 2 ** 22, made: true });
  expect(readFileSync(disk.path).toString('hex', 440, 444)).toBe('00112233');
  expect(await ensureWholeDisk('pi', image, 1)).toEqual({ ...disk, made: false });
  expect((await ensureWholeDisk('small', image, 1)).bytes).toBe(2 ** 16);
});

test('another image’s disk is not touched, and a missing one leaves nothing behind', async () => {
  await ensureWholeDisk('pi', imageWithDisk('00112233aabbccdd'), 1);
  await expect(ensureWholeDisk('pi', imageWithDisk('99112233aabbccdd'), 1)).rejects.toThrow(/holds another image/);
  expect(readFileSync(wholeDiskPath('pi')).toString('hex', 440, 444)).toBe('00112233');
  await expect(ensureWholeDisk('new', { dir: home, id: '00' }, 1)).rejects.toThrow(/could not be made/);
  expect(readdirSync(dirname(wholeDiskPath('pi')))).toEqual(['pi.img']);
});

test.each([
  ['512M', 512 * 2 ** 20],
  ['2g', 2 * 2 ** 30],
  ['1GiB', 2 ** 30],
  ['4096', 4096 * 2 ** 20],
  ['0', undefined],
  ['1.5G', undefined],
  ['G', undefined],
  ['-1M', undefined],
  ['9000000000000T', undefined],
])('size %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

test('a missing program is named with its package', () => {
  expect(() => findProgram('qemu-system-none', 'qemu-system-x86')).toThrow(
    /qemu-system-none is not installed.*qemu-system-x86/,
  );
});

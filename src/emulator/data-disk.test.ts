import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataDiskPath, ensureDataDisk } from './data-disk.ts';
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

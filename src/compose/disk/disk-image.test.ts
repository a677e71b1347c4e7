import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeDiskImage } from './disk-image.ts';
import { readFat32 } from './fat-reader.testing.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-test-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const mebibyte = 2 ** 20;
const id = 'c66bce6af8b5db67';
const bootFiles = [{ path: 'extlinux/extlinux.conf', content: Buffer.from('default gantry') }];

async function disk(name: string, root: Buffer): Promise<string> {
  const rootImage = join(dir, 'root.img');
  writeFileSync(rootImage, root);
  const path = join(dir, name);
  expect(await writeDiskImage(path, { rootImage, bootFiles, id })).toBe(statSync(path).size);
  return path;
}

test('a disk has a boot partition, the root image as it is, and room for data', async () => {
  const root = Buffer.concat([Buffer.from('hsqs'), Buffer.alloc(3 * mebibyte + 4, 7)]);
  const image = readFileSync(await disk('disk.img', root));
  expect(image.toString('hex', 440, 444)).toBe(id.slice(0, 8));
  expect(image.readUInt16LE(510)).toBe(0xaa55);
  const partitions = [446, 462, 478, 494].map((at) => ({
    type: image.readUInt8(at + 4),
    start: image.readUInt32LE(at + 8) * 512,
    end: (image.readUInt32LE(at + 8) + image.readUInt32LE(at + 12)) * 512,
  }));
  const [boot, system, ...unused] = partitions;
  expect(boot).toEqual({ type: 0x0c, start: 4 * mebibyte, end: 132 * mebibyte });
  expect(system).toMatchObject({ type: 0x83, start: 132 * mebibyte });
  expect(image.subarray(system?.start, (system?.start ?? 0) + root.length).equals(root)).toBe(true);
  expect(system?.end).toBeGreaterThanOrEqual(132 * mebibyte + root.length);
  // Empty entries: the device makes its data partition itself.
  for (const entry of unused) expect(entry).toEqual({ type: 0, start: 0, end: 0 });
  expect(image.length - (system?.end ?? 0)).toBeGreaterThanOrEqual(16 * mebibyte);
  expect(Math.log2(image.length) % 1).toBe(0);
  const files = readFat32(image.subarray(boot?.start, boot?.end));
  expect([...files.keys()]).toEqual(['extlinux/extlinux.conf']);
});

test('the same input gives the same bytes', async () => {
  const root = Buffer.alloc(5000, 1);
  // Behind this is only what is left empty.
  execFileSync('cmp', ['-n', String(140 * mebibyte), await disk('one.img', root), await disk('two.img', root)]);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { digestOf } from '../../shared/oci/digest.ts';
import { describeImage } from './describe-image.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-upgrade-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const manifest = { id: 'abcdef0123456789', name: 'demo', arch: 'amd64', board: 'pc', cmdline: 'quiet', sizes: {} };
const write = (name: string, text: string) => writeFileSync(join(dir, name), text);

it('describes a composed image', async () => {
  write('image.json', JSON.stringify(manifest));
  for (const name of ['kernel', 'initrd.img', 'root.img']) write(name, name);
  const files = ['kernel', 'initrd.img', 'root.img'].map((name) => ({
    name,
    size: name.length,
    digest: digestOf(name),
  }));
  const { sizes: _, ...known } = manifest;
  expect(await describeImage(dir)).toEqual({ ...known, files });
});

it('says what is wrong with a folder that is none', async () => {
  await expect(describeImage(dir)).rejects.toThrow('is no composed image: it has no image.json');
  write('image.json', '{');
  await expect(describeImage(dir)).rejects.toThrow(/image\.json does not describe a composed image \(the whole: /);
  write('image.json', JSON.stringify({ ...manifest, arch: 'vax' }));
  for (const name of ['kernel', 'initrd.img']) write(name, name);
  await expect(describeImage(dir)).rejects.toThrow(/is not whole: it has no root\.img\. Build it again$/);
  write('root.img', '');
  await expect(describeImage(dir)).rejects.toThrow(/image\.json does not describe a composed image \(arch: /);
});

import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layerOf, tarOf, temporaryFolder } from '../../init-container/store/test-support.ts';
import { hexOf } from '../shared/oci/digest.ts';
import { hostOf, sourceOf, storeBehindLine } from './transfer/store-line.testing.ts';
import { type UploadContext, uploadImages } from './upload.ts';

const block = 64 << 10;
const content = randomBytes(150_000).toString('hex');
const layer = layerOf(await tarOf([{ name: 'app.js', content }]), 'none');

async function upload(context: UploadContext): Promise<string[]> {
  const told: string[] = [];
  for await (const { message } of uploadImages(context, [{ component: 'web', source: sourceOf('web:2', [layer]) }]))
    told.push(message);
  return [...new Set(told)];
}

/** A host for which the line is so fast that it sends everything whole. */
const host = async (path: string) => hostOf(path, await temporaryFolder(), 100e6);

/** What every cut costs besides: the image is announced again, and the device asked where it is. */
const askingBytes = 4000;
const cuts = Math.floor(layer.blob.length / block);

async function expectWhole(data: string) {
  expect(await readdir(join(data, 'layers'))).toEqual([hexOf(layer.diffId)]);
  expect(await readFile(join(data, 'layers', hexOf(layer.diffId), 'app.js'), 'utf8')).toBe(content);
  expect(await readdir(join(data, 'uploads'))).toEqual([]);
}

describe('an upload that is cut', () => {
  it('at every block sends at most one again', async () => {
    const { line, path, data } = await storeBehindLine();
    const context = await host(path);
    let next = block;
    let done = 0;
    line.onUp = (up) => {
      if (done === cuts || up < next) return;
      done += 1;
      next = up + block;
      line.cut();
    };
    const told = await upload(context);
    expect(done).toBe(cuts);
    expect(told.some((words) => words.startsWith('going on with web:2'))).toBe(true);
    expect(line.up).toBeLessThan(layer.blob.length + cuts * block + (cuts + 1) * askingBytes);
    await expectWhole(data);
  });

  it('by kill -9 of the init container after each block goes on after that block', async () => {
    const file = hexOf(layer.digest);
    const sizes: number[] = [];
    const { path, data } = await storeBehindLine({
      killedAfterEachBlock: (folder) => void sizes.push(statSync(join(folder, 'uploads', file)).size),
    });
    const told = await upload(await host(path));
    const blocks = Array.from({ length: cuts }, (_, index) => (index + 1) * block);
    expect(sizes).toEqual([...blocks, layer.blob.length]);
    expect(told.filter((words) => words.startsWith('going on with web:2'))).toHaveLength(sizes.length);
    await expectWhole(data);
  });

  it('goes on also when the host itself began anew', async () => {
    const { line, path } = await storeBehindLine();
    const abort = new AbortController();
    line.onUp = (up) => {
      if (up > 200_000) abort.abort();
    };
    await expect(upload({ ...(await host(path)), signal: abort.signal })).rejects.toThrow('aborted');
    line.onUp = () => undefined;
    line.up = 0;
    const told = await upload(await host(path));
    expect(told.some((words) => words.startsWith('going on with web:2'))).toBe(true);
    expect(line.up).toBeLessThan(layer.blob.length - 200_000 + block + 8000);
  });
});

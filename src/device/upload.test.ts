import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { readJson, sendEmpty, sendJson } from '../../init-container/api/respond.ts';
import { HttpError } from '../../init-container/api/router.ts';
import { layerOf, tarOf, temporaryFolder } from '../../init-container/store/test-support.ts';
import type { SwapEvent } from '../shared/api/types.ts';
import { hexOf } from '../shared/oci/digest.ts';
import { TestDevice } from './api-server.testing.ts';
import { keepDocuments } from './transfer/documents.ts';
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

  it('is waited for also when it comes late, and when the device stays away for long', async () => {
    const { line, path, data } = await storeBehindLine();
    const context = await host(path);
    const now = performance.now.bind(performance);
    let later = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + later);
    onTestFinished(() => clock.mockRestore());
    const { connection } = context;
    vi.spyOn(connection, 'whenConnected').mockImplementation(async () => {
      later += 600_000;
    });
    let next = block;
    line.onUp = (up) => {
      if (up < next) return;
      next = up + block;
      // Ten minutes after it began, or after the cut before.
      later += 600_000;
      line.cut();
    };
    await upload(context);
    await expectWhole(data);
  });

  it('says that nothing comes over where that is so for long', async () => {
    const { line, path } = await storeBehindLine();
    const context = await host(path);
    const now = performance.now.bind(performance);
    let later = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + later);
    onTestFinished(() => clock.mockRestore());
    let cut = 0;
    line.onUp = () => {
      cut += 1;
      later += 25_000;
      line.cut();
    };
    await expect(upload(context)).rejects.toMatchObject({ name: 'TransportError' });
    expect(cut).toBeGreaterThan(2);
    expect(cut).toBeLessThan(8);
  });

  it('sends also what a device has forgotten meanwhile', async () => {
    const below = layerOf(await tarOf([{ name: 'below', content: 'x' }]), 'none');
    const { line, path, data } = await storeBehindLine();
    const context = await host(path);
    const send = async (name: string, layers: (typeof layer)[]) => {
      const events: SwapEvent[] = [];
      const images = [{ component: 'web', source: sourceOf(name, layers) }];
      for await (const event of uploadImages(context, images)) events.push(event);
      return events;
    };
    await send('web:1', [below]);
    line.up = 0;
    line.onUp = (up) => {
      if (up < 2 * block) return;
      line.onUp = () => undefined;
      // As a restart of one without a data partition does it.
      void rm(join(data, 'layers', hexOf(below.diffId)), { recursive: true }).then(() => line.cut());
    };
    const events = await send('web:2', [below, layer]);
    expect(events.flatMap(({ transfer }) => transfer?.parts.length ?? [])).toEqual([1, 2]);
    expect((await readdir(join(data, 'layers'))).sort()).toEqual([hexOf(below.diffId), hexOf(layer.diffId)].sort());
  });

  it('tells of no more than what has arrived', async () => {
    const { line, path } = await storeBehindLine();
    const images = [{ component: 'web', source: sourceOf('web:2', [layer]) }];
    const told: number[] = [];
    for await (const { progress } of uploadImages(await host(path), images)) {
      if (progress) expect(progress.done).toBeLessThanOrEqual(line.up);
      told.push(progress?.done ?? 0);
    }
    expect(told.at(-1)).toBe(layer.blob.length);
  });
});

it('to a device of a version without differences and uploads is of whole layers and documents', async () => {
  const former = sourceOf('web:1', [layerOf(await tarOf([{ name: 'app.js', content: 'old' }]))]);
  const next = sourceOf('web:2', [layer]);
  const announced: string[] = [];
  const received: Buffer[] = [];
  const device = await new TestDevice([
    {
      method: 'POST',
      pattern: '/gantry/v1/images',
      handler: async ({ request, response }) => {
        const { ref, ...more } = await readJson(request, z.record(z.string(), z.string()));
        announced.push(`${ref} ${Object.keys(more).sort().join(' ')}`);
        if ('difference' in more) throw new HttpError(400, 'unrecognized key: difference');
        const { diffId, digest, mediaType, blob } = layer;
        const missing = received.length > 0 ? [] : [{ diffId, digest, mediaType, size: blob.length }];
        sendJson(response, 200, { digest: more.digest, missing });
      },
    },
    {
      method: 'PUT',
      pattern: '/gantry/v1/layers/{diffId}',
      handler: async ({ request, response }) => {
        for await (const chunk of request) received.push(chunk);
        sendEmpty(response, 201);
      },
    },
  ]).start();
  onTestFinished(() => device.remove());
  const context = await hostOf(device.path, await temporaryFolder(), 11_000);
  await keepDocuments(context.cache, former.digest, { manifest: former.manifestText, config: former.configText });
  const parts: string[] = [];
  const images = [{ component: 'web', source: next, former: former.digest }];
  for await (const { transfer } of uploadImages(context, images))
    for (const { method, bytes } of transfer?.parts ?? []) parts.push(`${method} ${bytes}`);
  expect(announced).toEqual(['web:2 base difference digest', 'web:2 config digest manifest']);
  expect(parts).toEqual([`whole ${layer.blob.length}`]);
  expect(Buffer.concat(received).equals(layer.blob)).toBe(true);
});

import { randomBytes } from 'node:crypto';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { layerOf, type TestLayer, tarOf, temporaryFolder } from '../../../init-container/store/test-support.ts';
import type { SwapEvent, TransferPlan } from '../../shared/api/types.ts';
import { hexOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import { ApiError } from '../errors.ts';
import type { ImageSource } from '../image-source/types.ts';
import { type UploadContext, uploadImages } from '../upload.ts';
import { hostOf, sourceOf, storeBehindLine } from './store-line.testing.ts';

/** 115,200 baud. */
const slow = 11_000;
const library = randomBytes(60_000).toString('base64');
const words = randomBytes(40_000).toString('hex');
const bundle = (edit: string) => `${words.slice(0, 30_000)}\n// ${edit}\n${words.slice(30_000)}`;
const shared = layerOf(await tarOf([{ name: 'usr/lib/libc.so', content: library }]));
const app = async (edit: string, header = {}) =>
  layerOf(await tarOf([{ name: 'app/main.js', content: bundle(edit), ...header }]));

async function send(context: UploadContext, source: ImageSource, former?: Digest) {
  const events: SwapEvent[] = [];
  const images = [{ component: 'web', source, ...(former && { former }) }];
  for await (const event of uploadImages(context, images)) events.push(event);
  const plan = events.find(({ transfer }) => transfer)?.transfer as TransferPlan;
  return { events, plan, messages: [...new Set(events.map(({ message }) => message))] };
}

/** A device on a slow line that has web:1, and the host that sent it. */
async function deviceWith(layers: TestLayer[]) {
  const store = await storeBehindLine();
  const cacheDir = await temporaryFolder();
  const context = await hostOf(store.path, cacheDir, slow);
  const first = sourceOf('web:1', layers);
  await send(context, first);
  const sendNext = async (source: ImageSource, by = context) => {
    store.line.up = 0;
    return { ...(await send(by, source, first.digest)), up: store.line.up };
  };
  const layer = (diffId: Digest, path = '') => join(store.data, 'layers', hexOf(diffId), path);
  return { ...store, context, cacheDir, first, sendNext, layer };
}

describe('over a slow line', () => {
  it('an edited line travels as some hundred bytes, whatever the size of the image', async () => {
    const { sendNext, layer } = await deviceWith([shared, await app('one')]);
    const edited = await app('another');
    const { plan, messages, up } = await sendNext(sourceOf('web:2', [shared, edited]));
    expect(plan.parts).toEqual([
      expect.objectContaining({
        component: 'web',
        ref: 'web:2',
        diffId: edited.diffId,
        method: 'difference',
        files: 1,
      }),
    ]);
    expect(plan.bytes).toBeLessThan(300);
    expect(plan.parts[0]?.wholeBytes).toBe(edited.blob.length);
    expect(messages[0]).toBe('web:2: working out what differs from what the device has');
    expect(messages[1]).toMatch(
      /^web:2: \d+ B instead of \d+\.\d kB: 1 file in 1 layer as a difference, about \d+ ms at 11\.0 kB\/s$/,
    );
    expect(await readFile(layer(edited.diffId, 'app/main.js'), 'utf8')).toBe(bundle('another'));
    // Everything that went up: requests with their headers, the announcement, the difference.
    expect(up).toBeLessThan(2500);
  });

  it('what the device has under another name, in another layer or with other headers is not sent', async () => {
    const { sendNext, layer } = await deviceWith([shared, await app('one')]);
    const moved = layerOf(
      await tarOf([
        { name: 'opt/lib.so', content: library, mtime: new Date(5000), uid: 7 },
        { name: 'opt/copy.so', content: library },
        { name: 'opt/main.js', content: bundle('one') },
      ]),
    );
    const { plan, up } = await sendNext(sourceOf('web:2', [moved]));
    expect(plan.parts).toMatchObject([{ method: 'difference', files: 0 }]);
    expect(plan.bytes).toBeLessThan(500);
    expect(await readFile(layer(moved.diffId, 'opt/copy.so'), 'utf8')).toBe(library);
    expect(up).toBeLessThan(2500);
  });

  it('an image that differs in its configuration alone costs the announcement, an identical one no more', async () => {
    const layers = [shared, await app('one')];
    const { sendNext, first } = await deviceWith(layers);
    const other = sourceOf('web:2', layers, { config: { config: { Env: ['A=b'] } } });
    const changed = await sendNext(other);
    expect(changed.plan).toMatchObject({ bytes: 0, parts: [] });
    expect(changed.messages).toEqual(['web:2: nothing to send']);
    const same = await sendNext(first);
    expect(same.plan).toMatchObject({ bytes: 0, parts: [] });
    console.info(`bytes up: configuration alone ${changed.up}, identical ${same.up}`);
    expect(Math.max(changed.up, same.up)).toBeLessThan(900);
  });

  it('what the device has is asked for once: after that host and device know it by a digest', async () => {
    const { sendNext, line } = await deviceWith([shared, await app('one')]);
    await sendNext(sourceOf('web:2', [shared, await app('another')]));
    line.down = 0;
    const { plan } = await sendNext(sourceOf('web:3', [shared, await app('a third')]));
    expect(plan.parts).toMatchObject([{ method: 'difference', files: 1 }]);
    console.info(`bytes down: ${line.down}`);
    expect(line.down).toBeLessThan(1800);
  });

  it('a person who gives up does not wait until a difference is made', async () => {
    const { context, first } = await deviceWith([shared, await app('one')]);
    const source = sourceOf('web:2', [shared, await app('another')]);
    const abort = new AbortController();
    const sending = uploadImages({ ...context, signal: abort.signal }, [
      { component: 'web', source, former: first.digest },
    ]);
    // What it is made of is known here: after that nothing is asked which would fail.
    const { cache } = context;
    const tar = cache.tar.bind(cache);
    vi.spyOn(cache, 'tar').mockImplementation((diffId) => {
      abort.abort();
      return tar(diffId);
    });
    const told: string[] = [];
    const all = async () => {
      for await (const { message } of sending) told.push(message);
    };
    await expect(all()).rejects.toThrow('aborted');
    expect(told).toEqual(['web:2: working out what differs from what the device has']);
  });

  it('is worked out once when the swap begins before its plan is shown', async () => {
    const { sendNext, context } = await deviceWith([shared, await app('one')]);
    const write = vi.spyOn(context.cache, 'write');
    const next = sourceOf('web:2', [shared, await app('another')]);
    const plans = await Promise.all([sendNext(next), sendNext(next)]);
    expect(plans.map(({ plan }) => plan.parts[0]?.method)).toEqual(['difference', 'difference']);
    expect(write.mock.calls.filter(([kind, name]) => kind === 'deltas' && name.endsWith('.json'))).toHaveLength(1);
  });

  it('several images of one swap share a plan: what the first brings, the second builds on', async () => {
    const { context, first } = await deviceWith([shared, await app('one')]);
    const tool = randomBytes(30_000).toString('base64');
    const one = sourceOf('web:2', [shared, layerOf(await tarOf([{ name: 'bin/tool', content: tool }]))]);
    const two = sourceOf('db:2', [
      layerOf(
        await tarOf([
          { name: 'usr/bin/tool', content: tool },
          { name: 'x', content: 'y' },
        ]),
      ),
    ]);
    const images = [
      { component: 'web', source: one, former: first.digest },
      { component: 'db', source: two },
    ];
    const events: SwapEvent[] = [];
    for await (const event of uploadImages(context, images)) events.push(event);
    const parts = events.find(({ transfer }) => transfer)?.transfer?.parts;
    expect(parts?.map(({ component, files }) => [component, files])).toEqual([
      ['web', 1],
      ['db', 1],
    ]);
    expect(parts?.[1]?.bytes).toBeLessThan(400);
  });

  it('a base that is damaged on the device is found out, and the layer is sent whole', async () => {
    const before = await app('one');
    for (const damage of ['content', 'recipe'] as const) {
      const { sendNext, layer, data } = await deviceWith([shared, before]);
      if (damage === 'content') await writeFile(layer(before.diffId, 'app/main.js'), 'z'.repeat(bundle('one').length));
      else await truncate(join(data, 'recipes', hexOf(before.diffId)), 20);
      const edited = await app('another');
      const { plan, messages, events } = await sendNext(sourceOf('web:2', [shared, edited]));
      expect(plan.parts[0]?.method).toBe('difference');
      const total = edited.blob.length;
      expect(events.at(-1)?.progress).toEqual({ done: total, total });
      expect(messages.some((text) => /cannot be used on this device: .*sending all of it/.test(text))).toBe(true);
      expect(await readFile(layer(edited.diffId, 'app/main.js'), 'utf8')).toBe(bundle('another'));
      expect(await readdir(join(data, 'uploads'))).toEqual([]);
    }
  });

  it('a refusal that would be that of the whole layer too ends it before that is sent', async () => {
    const { sendNext, line, context } = await deviceWith([shared, await app('one')]);
    const put = context.api.put.bind(context.api);
    vi.spyOn(context.api, 'put').mockImplementation((path, ...more) =>
      path.startsWith('/gantry/v1/layers/')
        ? Promise.reject(new ApiError(507, 'the disk of the device is full'))
        : put(path, ...more),
    );
    await expect(sendNext(sourceOf('web:2', [shared, await app('another')]))).rejects.toThrow('is full');
    expect(line.up).toBeLessThan(2500);
  });

  it('a base that is damaged on this host is done without, and not tried again', async () => {
    const before = await app('one');
    const { sendNext, layer, context } = await deviceWith([shared, before]);
    const kept = await context.cache.tar(before.diffId);
    await truncate(kept?.path ?? '', 1000);
    const edited = await app('another');
    const { plan } = await sendNext(sourceOf('web:2', [shared, edited]));
    expect(plan.parts).toMatchObject([{ method: 'whole' }]);
    expect(await readFile(layer(edited.diffId, 'app/main.js'), 'utf8')).toBe(bundle('another'));
    expect(await context.cache.tar(before.diffId)).toBeUndefined();
  });

  it('a host that never saw the layers asks for their recipes, and does what can be done', async () => {
    const { sendNext, path, layer } = await deviceWith([shared, await app('one')]);
    const stranger = await hostOf(path, await temporaryFolder(), slow);
    const fresh = layerOf(
      await tarOf([
        { name: 'usr/lib/libc.so', content: library, mtime: new Date(0) },
        { name: 'app/main.js', content: bundle('three') },
      ]),
    );
    const { plan } = await sendNext(sourceOf('web:3', [fresh]), stranger);
    expect(plan.parts).toMatchObject([{ method: 'difference', files: 1 }]);
    expect(plan.bytes).toBeLessThan(fresh.blob.length * 0.6);
    expect(await readFile(layer(fresh.diffId, 'app/main.js'), 'utf8')).toBe(bundle('three'));
  });

  it('a difference that was cut goes on where it was, also for a host that began anew', async () => {
    const { sendNext, line, path, cacheDir, context, first } = await deviceWith([shared, await app('one')]);
    const large = layerOf(await tarOf([{ name: 'data', content: randomBytes(300_000).toString('latin1') }]));
    const source = sourceOf('web:2', [shared, large]);
    const abort = new AbortController();
    line.up = 0;
    line.onUp = (up) => {
      if (up > 200_000) abort.abort();
    };
    await expect(send({ ...context, signal: abort.signal }, source, first.digest)).rejects.toThrow('aborted');
    line.onUp = () => undefined;
    const { plan, messages, up } = await sendNext(source, await hostOf(path, cacheDir, slow));
    expect(plan.parts).toMatchObject([{ method: 'difference' }]);
    expect(messages.some((text) => text.startsWith('going on with web:2'))).toBe(true);
    expect(up).toBeLessThan(plan.bytes - 200_000 + (64 << 10) + 4000);
  });
});

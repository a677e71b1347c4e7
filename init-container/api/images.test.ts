import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { hexOf } from '../../src/shared/oci/digest.ts';
import { Engine } from '../engine/engine.ts';
import { Volumes } from '../engine/volumes.ts';
import { LogWatcher } from '../logs/watcher.ts';
import { collectingDevice, largeLayer, shared } from '../store/collector.testing.ts';
import { StoppedByHand } from '../supervisor/stopped-by-hand.ts';
import { ContainerSupervisor } from '../supervisor/supervisor.ts';
import { ExecSessions } from './exec-sessions.ts';
import { gcRoutes } from './gc.ts';
import { imageRoutes } from './images.ts';
import { createApiServer } from './server.ts';

/** A device with web:0 (factory), then web:1, web:2 and web:3 (in force), each with a layer of its own. */
async function freshApi() {
  const device = await collectingDevice();
  const own = [];
  const images = [];
  for (const name of ['web:1', 'web:2', 'web:3']) {
    const layer = await largeLayer(20_000);
    own.push(layer);
    images.push(await device.swap(name, [shared, layer]));
  }
  const volumes = new Volumes({
    revision: () => device.revisions.current().revision,
    configFor: async (spec) => spec.config,
    paths: { data: device.paths.data, run: device.paths.data },
  });
  const context = {
    ...device,
    volumes,
    supervisor: new ContainerSupervisor(new Engine(device.store, volumes), {
      reboot: () => undefined,
      halted: () => undefined,
      stopped: await StoppedByHand.open(join(device.paths.data, 'stopped.json')),
    }),
    sessions: new ExecSessions(),
    logs: new LogWatcher(device.paths.data),
    version: '0',
  };
  const api = createApiServer('0', [...imageRoutes(context), ...gcRoutes(context)], []);
  const socketPath = join(device.paths.data, '../api.sock');
  await api.listen(socketPath);
  onTestFinished(() => api.close());
  const call = async (method: string, path: string, body?: object) => {
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      const sent = request({ socketPath, method, path, agent: false }, resolve).on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
    const answer = await text(response);
    return { status: response.statusCode, body: answer === '' ? undefined : JSON.parse(answer) };
  };
  return { ...device, call, own, images };
}

it('docker rmi removes an image that nothing needs, and says what needs the others', async () => {
  const { call, collector, revisions, store, swap, images, own, layers } = await freshApi();
  for (const [name, why] of [
    ['web:3', /revision 3 \(current\) needs it/],
    ['web:2', /revision 2 \(previous\) needs it/],
    ['web:1', /revision 1 \(available\) needs it; see: gantry revisions/],
  ] as const) {
    expect(await call('DELETE', `/images/${name}`)).toMatchObject({
      status: 409,
      body: { message: expect.stringMatching(why) },
    });
  }
  expect((await call('DELETE', '/images/web:9')).status).toBe(404);

  const layer = await largeLayer(20_000);
  const failed = await swap('web:4', [shared, layer], true);
  expect(await collector.whyNeeded(failed.digest)).toBe('revision 4 (refused) needs it');
  await revisions.collect([4, 1]);
  expect(await collector.whyNeeded(failed.digest)).toBeUndefined();
  const removed = await call('DELETE', '/images/web:4');
  expect(removed).toEqual({
    status: 200,
    body: [{ Untagged: 'web:4' }, { Deleted: failed.digest }, { Deleted: layer.diffId }],
  });
  expect(await layers()).toEqual(new Set([shared, ...own].map(({ diffId }) => hexOf(diffId))));
  expect((await store.list()).flatMap(({ refs }) => refs)).not.toContain('web:4');

  const pruned = await call('POST', '/images/prune');
  expect(pruned.body).toMatchObject({ ImagesDeleted: [{ Deleted: images[0]?.digest }] });
  expect(pruned.body.SpaceReclaimed).toBeGreaterThan(20_000);
  expect((await call('POST', '/images/prune')).body).toEqual({ ImagesDeleted: null, SpaceReclaimed: 0 });
  expect(revisions.list().revisions.map(({ state }) => state)).toEqual([
    'collected',
    'current',
    'previous',
    'collected',
    'available',
  ]);
});

it('docker rmi of one of several names removes only the name', async () => {
  const { call, collector, store, images } = await freshApi();
  const [, , current] = images;
  if (!current) throw new Error('no image');
  await collector.announce({ ...current, ref: 'web:latest' });
  expect(await call('DELETE', '/images/web')).toEqual({ status: 200, body: [{ Untagged: 'web:latest' }] });
  expect((await store.list()).find(({ digest }) => digest === current.digest)?.refs).toEqual(['web:3']);
});

it('POST /gantry/v1/gc says what would go, and then removes just that', async () => {
  const { call, revisions, state } = await freshApi();
  const preview = await call('POST', '/gantry/v1/gc', { dryRun: true });
  expect(preview.body.items.map(({ kind }: { kind: string }) => kind)).toEqual(['revision', 'image', 'layer']);
  expect(revisions.get(1)).toBeDefined();
  state.turns = 0;
  expect(await call('POST', '/gantry/v1/gc', {})).toMatchObject({
    status: 409,
    body: { message: expect.stringMatching(/while a swap is under way/) },
  });
  state.turns = Number.POSITIVE_INFINITY;
  expect(await call('POST', '/gantry/v1/gc', {})).toEqual(preview);
  expect(await call('POST', '/gantry/v1/gc', {})).toEqual({ status: 200, body: { items: [], bytes: 0 } });
  expect((await call('POST', '/gantry/v1/gc', { dryrun: true })).status).toBe(400);
});

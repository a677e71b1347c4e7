import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { SwapEvent } from '../../src/shared/api/types.ts';
import { createApiServer } from '../api/server.ts';
import { storeRoutes } from '../api/store-routes.ts';
import { Collector } from '../store/collector.ts';
import { openStore } from '../store/open-store.ts';
import { imageOf, layerOf, type TestLayer, tarOf, temporaryFolder } from '../store/test-support.ts';
import { Uploads } from '../store/uploads.ts';
import { swapRoutes } from './routes.ts';
import { allOf, imageDigest, imageOf as imageRef, Machine, openDevice } from './test-support.ts';

interface Answer {
  status: number;
  type: string;
  text: string;
}

/** A device's API on a socket, with a real store; its containers are simulated. */
async function freshApi() {
  const folder = await temporaryFolder();
  const device = await openDevice(folder, new Machine());
  const paths = {
    factoryLayers: join(folder, 'layers'),
    factoryBlobs: join(folder, 'blobs'),
    factoryRecipes: join(folder, 'recipes'),
    data: join(folder, 'data'),
  };
  const store = await openStore({ paths, arch: 'amd64', factoryImages: [], log: () => undefined });
  const collector = new Collector({
    store,
    revisions: device.revisions,
    data: paths.data,
    imageId: 'a1',
    startableImages: async () => undefined,
    imagesOfParts: async () => [],
    uploads: await Uploads.open(join(paths.data, 'uploads')),
    imagesInUse: () => [],
    busyWith: () => undefined,
    log: () => undefined,
  });
  const api = createApiServer(
    '0',
    [...storeRoutes({ collector, store }), ...swapRoutes({ collector, store, ...device })],
    [],
  );
  const socketPath = join(folder, 'api.sock');
  await api.listen(socketPath);
  const sockets = new Set<unknown>();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(async () => {
    agent.destroy();
    await api.close();
  });

  const send = (method: string, path: string, body: string | Buffer = '', headers: Record<string, string> = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const outgoing = request({ socketPath, agent, method, path: `/gantry/v1${path}`, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text }),
        );
        response.on('error', reject);
      });
      outgoing.on('socket', (socket) => sockets.add(socket));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  const post = (path: string, body: unknown) => send('POST', path, JSON.stringify(body));
  const put = ({ diffId, digest, mediaType }: TestLayer, blob: Buffer) =>
    send('PUT', `/layers/${diffId}`, blob, { 'Content-Type': mediaType, 'X-Gantry-Digest': digest });
  return { ...device, sockets, socketPath, send, post, put };
}

const layer = layerOf(await tarOf([{ name: 'a', content: 'x'.repeat(100_000) }]), 'none');
const lines = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SwapEvent);

describe('the routes', () => {
  it('take an image, a layer, a swap and a rollback', async () => {
    const { post, put, send } = await freshApi();
    const image = imageOf('web:2', [layer]);
    const offer = await post('/images', image);
    expect([offer.status, JSON.parse(offer.text)]).toEqual([
      200,
      {
        digest: image.digest,
        missing: [{ diffId: layer.diffId, digest: layer.digest, size: layer.blob.length, mediaType: layer.mediaType }],
        room: expect.objectContaining({ collectedBytes: 0 }),
      },
    ]);
    expect((await put(layer, layer.blob)).status).toBe(201);
    expect((await send('GET', '/swap')).status).toBe(404);

    const change = { name: 'web', image: { ref: 'web:2', digest: image.digest } };
    const swap = await post('/swap', { changes: [change] });
    expect([swap.status, swap.type]).toEqual([200, 'application/x-ndjson']);
    expect(lines(swap.text).map(({ stage }) => stage)).toEqual([
      'stage', 'stage', 'stop', 'start', 'probe', 'stable', 'commit', 'done',
    ]); // biome-ignore format: one line is one order
    expect((await send('GET', '/swap')).text).toBe(swap.text);

    const revisions = JSON.parse((await send('GET', '/revisions')).text);
    expect(revisions).toMatchObject({ current: 1, previous: 0 });
    expect(JSON.parse((await send('GET', '/revisions/1')).text).components.web.image.ref).toBe('web:2');
    expect((await send('GET', '/revisions/7')).status).toBe(404);
    expect(lines((await post('/rollback', {})).text).at(-1)).toMatchObject({ stage: 'done', revision: 2 });
    // No body at all is the previous revision, too.
    expect(lines((await send('POST', '/rollback')).text).at(-1)).toMatchObject({ stage: 'done', revision: 3 });
  });

  it('tell what a swap would do, and do nothing', async () => {
    const { post, machine, revisions, swaps, supervisor } = await freshApi();
    const image = imageOf('web:2', [layer]);
    const { diffId, digest, mediaType } = layer;
    const missing = { diffId, digest, size: layer.blob.length, mediaType };
    const changes = [{ name: 'web', image: { ref: 'web:2', digest: image.digest }, config: { env: ['A=b'] } }];
    const plan = await post('/swap/plan', { changes, images: [image, image] });
    expect(plan.status).toBe(200);
    expect(JSON.parse(plan.text)).toEqual({
      base: 0,
      changes: [{ name: 'web', from: 'web:1', to: 'web:2', strategy: 'stop-start', fields: ['swap', 'env'] }],
      steps: [
        { action: 'stage', text: 'check that everything is complete on the device' },
        { action: 'prepare', component: 'web', text: 'make the container of the new web' },
        { action: 'stop', component: 'web', text: 'stop web' },
        { action: 'start', component: 'web', text: 'start web' },
        { action: 'probe', component: 'web', text: 'wait until web is healthy' },
        { action: 'stable', text: 'see that web, app stay healthy for 3 s' },
        { action: 'commit', text: 'put the new revision in force' },
      ],
      restarts: ['web'],
      send: [{ ref: 'web:2', bytes: layer.blob.length, layers: 1, missing: [missing] }],
      frees: { items: [], bytes: 0 },
    });
    const shorter = await post('/swap/plan', { changes, images: [image], stable: '500ms' });
    expect(shorter.text).toContain('see that web, app stay healthy for 0.5 s');
    expect((await post('/swap/plan', { changes, images: [image], stable: 'soon' })).status).toBe(400);
    expect([supervisor.calls, revisions.list().revisions.length, swaps.latest]).toEqual([[], 1, undefined]);
    // Not even the image's documents were kept.
    expect(JSON.parse((await post('/images', image)).text).missing).toHaveLength(1);

    machine.broken.set('web:bad', 'unhealthy');
    const bad = { changes: [{ name: 'web', image: imageRef('web:bad') }] };
    await post('/swap', bad);
    const refused = await post('/swap/plan', bad);
    expect([refused.status, JSON.parse(refused.text).refused]).toEqual([404, undefined]);
  });

  it('answer a wrong layer while it is still being sent, and keep the connection', async () => {
    const { post, put, send, sockets } = await freshApi();
    const wrong = Buffer.alloc(8 << 20, 'not a tar ');
    expect((await put(layer, wrong)).status).toBe(409);
    await post('/images', imageOf('web:2', [layer]));
    const answer = await put(layer, wrong);
    expect([answer.status, JSON.parse(answer.text).message]).toEqual([400, expect.stringMatching(/not a good tar/)]);
    expect((await put(layer, layer.blob)).status).toBe(201);
    expect((await send('GET', '/revisions')).status).toBe(200);
    expect(sockets.size).toBe(1);
  });

  it('say what is wrong with a request', async () => {
    const { post, send, machine } = await freshApi();
    machine.broken.set('web:bad', 'unhealthy');
    const change = { name: 'web', image: imageRef('web:2') };
    const of = (more: object, other: object = {}) => post('/swap', { changes: [{ ...change, ...more }], ...other });
    const cases: [Promise<Answer>, number, RegExp][] = [
      [of({ image: { ref: 'web:2', digest: 'sha256:1' } }), 400, /digest/],
      [of({}, { more: 1 }), 400, /more/],
      [of({ image: undefined }), 400, /neither image nor config/],
      [of({ config: { env: ['no value'] } }), 400, /NAME=value/],
      [post('/swap', { changes: [change, change] }), 400, /twice/],
      [post('/swap', { changes: [] }), 400, /changes/],
      [send('POST', '/swap', '{'), 400, /JSON/],
      [send('POST', '/swap', `{"name":"${'x'.repeat(5 << 20)}"}`), 413, /larger/],
      [of({ name: 'kernel', image: imageRef('kernel:foreign') }), 501, /kernel: its image is for another board/],
      [of({ name: 'wbe' }), 404, /nearest names/],
      [post('/rollback', {}), 409, /no previous revision/],
      [post('/rollback', { revision: 5 }), 404, /no revision 5/],
      [send('PUT', '/layers/x'), 400, /sha256/],
      [post('/images', { ref: 'x', digest: imageDigest('x'), manifest: '{}', config: '{}' }), 400, /digest/],
    ];
    for (const [answer, status, message] of cases) {
      const { text, ...rest } = await answer;
      expect([rest.status, JSON.parse(text).message]).toEqual([status, expect.stringMatching(message)]);
    }
    const bad = { image: imageRef('web:bad') };
    expect(lines((await of(bad)).text).at(-1)?.stage).toBe('failed');
    expect(await of(bad)).toMatchObject({ status: 409, text: expect.stringMatching(/rolled back at/) });
  });

  it('let a swap go on when its client goes away', async () => {
    const { socketPath, swaps, revisions } = await freshApi();
    const body = JSON.stringify({ changes: [{ name: 'web', image: imageRef('web:2') }] });
    await new Promise<void>((resolve) => {
      const outgoing = request({ socketPath, method: 'POST', path: '/gantry/v1/swap' }, (response) => {
        response.once('data', () => outgoing.destroy());
        response.on('error', () => undefined);
        response.on('close', resolve);
      });
      outgoing.on('error', () => undefined);
      outgoing.end(body);
    });
    await allOf(swaps.latest ?? expect.fail('no swap began'));
    expect(revisions.current().number).toBe(1);
  });
});

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readJson, sendEmpty, sendJson, startJsonStream } from '../../init-container/api/respond.ts';
import { HttpError, type Route } from '../../init-container/api/router.ts';
import {
  announceImageSchema,
  type ImageOffer,
  type SwapEvent,
  type SwapStage,
  swapPlanRequestSchema,
  swapRequestSchema,
} from '../shared/api/types.ts';
import { digestOf, hexOf } from '../shared/oci/digest.ts';
import { UnixTransport } from '../transport/unix.ts';
import { TransportAgent } from './agent.ts';
import { ApiClient } from './api-client.ts';
import { jsonRoute, TestDevice, testComponent, testInfo } from './api-server.testing.ts';
import { Connection } from './connection.ts';
import type { SwapOptions, SwapOrder } from './device.ts';
import { GantryDevice } from './gantry-device.ts';
import { makeImage, type TestImage, writeLayout } from './image-source/images.testing.ts';
import { openImageSource } from './image-source/index.ts';
import { HostCache } from './transfer/host-cache.ts';
import { RateMeter } from './transfer/rate.ts';
import { uploadImages } from './upload.ts';

let dir: string;
let image: TestImage;
let server: TestDevice;
let device: GantryDevice;

/** What the device got and does; tests change the last four. */
let received: Map<string, Buffer>;
let orders: unknown[];
let log: SwapEvent[];
let stages: SwapStage[];
let duringLayer: (count: number) => void;
let duringSwap: (event: SwapEvent) => void;
let takesOrders: boolean;
let room: ImageOffer['room'];

const routes: Route[] = [
  jsonRoute('GET', '/gantry/v1/device', () => testInfo),
  jsonRoute('GET', `/gantry/v1/revisions/${testInfo.revision.number}`, () => revision),
  jsonRoute('GET', '/containers/sshd/json', () => ({ Config: { Env: ['PATH=/bin', 'A=1', 'B=2'] } })),
  {
    method: 'POST',
    pattern: '/gantry/v1/swap/plan',
    handler: async ({ request, response }) => {
      const { changes, images } = await readJson(request, swapPlanRequestSchema);
      orders.push(changes);
      const send = images.map(({ ref }) => ({ ref, bytes: 7, layers: 1 }));
      const frees = { items: [{ kind: 'layer', name: 'a', bytes: 5 }], bytes: 5 };
      sendJson(response, 200, { base: 1, changes: [], steps: [], restarts: [], send, frees });
    },
  },
  jsonRoute('GET', '/gantry/v1/components', () => [testComponent('web'), testComponent('sshd')]),
  {
    method: 'POST',
    pattern: '/gantry/v1/images',
    handler: async ({ request, response }) => {
      const announced = await readJson(request, announceImageSchema);
      expect([announced.manifest, announced.config]).toEqual([image.manifestText, image.configText]);
      const missing = image.layers
        .filter(({ diffId }) => !received.has(diffId))
        .map(({ diffId, descriptor: { digest, size, mediaType } }) => ({ diffId, digest, size, mediaType }));
      sendJson(response, 200, { digest: announced.digest, missing, ...(room && { room }) });
    },
  },
  {
    method: 'PUT',
    pattern: '/gantry/v1/layers/{diffId}',
    handler: async ({ request, response, params }) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        duringLayer(received.size);
      }
      const data = Buffer.concat(chunks);
      const digest = `sha256:${createHash('sha256').update(data).digest('hex')}`;
      if (digest !== request.headers['x-gantry-digest']) throw new HttpError(400, 'wrong digest');
      received.set(params.diffId ?? '', data);
      sendEmpty(response, 201);
    },
  },
  {
    method: 'POST',
    pattern: '/gantry/v1/swap',
    handler: async ({ request, response }) => {
      orders.push(await readJson(request, swapRequestSchema));
      if (!takesOrders) {
        request.socket.destroy();
        return;
      }
      log = [];
      const write = startJsonStream(response);
      for (const stage of stages) {
        const event = { stage, component: 'web', at: new Date(1e12 + log.length).toISOString(), message: stage };
        log.push(event);
        write(event);
        await new Promise((resolve) => setImmediate(resolve));
        duringSwap(event);
      }
      response.end();
    },
  },
  {
    method: 'GET',
    pattern: '/gantry/v1/swap',
    handler: ({ response }) => {
      if (log.length === 0) throw new HttpError(404, 'nothing was swapped on this device yet');
      const write = startJsonStream(response);
      for (const event of log) write(event);
      response.end();
    },
  },
];

const spec = (name: string, order: number, config: object = {}) => ({
  kind: 'service',
  image: { ref: `${name}:1`, digest: digestOf(name) },
  order,
  config,
});
const makeRevision = () => ({
  schema: 1,
  components: { web: spec('web', 0), sshd: spec('sshd', 1, { net: 'host', restart: 'always' }) },
});
let revision = makeRevision();

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-swap-'));
  vi.stubEnv('GANTRY_CACHE', join(dir, 'cache'));
  image = makeImage('web:2');
  writeLayout(dir, [image]);
  received = new Map();
  orders = [];
  log = [];
  stages = ['stop', 'start', 'probe', 'commit', 'done'];
  duringLayer = () => undefined;
  duringSwap = () => undefined;
  takesOrders = true;
  room = undefined;
  revision = makeRevision();
  server = await new TestDevice(routes).start();
  device = new GantryDevice('bench', new UnixTransport(server.path));
  await device.connect();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await device.close();
  await server.remove();
  rmSync(dir, { recursive: true, force: true });
});

async function swap(options?: SwapOptions, orders?: SwapOrder[]): Promise<SwapEvent[]> {
  const events: SwapEvent[] = [];
  for await (const event of device.swap(orders ?? [{ name: 'web', image: dir }], options)) events.push(event);
  return events;
}

/** Without the host's own part, whose number of events depends on timing. */
function onDevice(events: SwapEvent[]): SwapStage[] {
  return events.map(({ stage }) => stage).filter((stage) => stage !== 'stage');
}

describe('swap', () => {
  it('sends what is missing, with progress, then follows the device to the end', async () => {
    const { digest } = image.manifest;
    const events = await swap({ retry: true });
    const total = image.layers.reduce((sum, { data }) => sum + data.length, 0);
    expect(events[0]).toMatchObject({ stage: 'stage', component: 'web', progress: { done: 0, total } });
    const sent = events.filter(({ progress }) => progress?.done === total);
    expect(sent.length).toBeGreaterThan(0);
    expect(onDevice(events)).toEqual(stages);
    expect([...received.values()]).toEqual(image.layers.map(({ data }) => data));
    expect(orders).toEqual([{ changes: [{ name: 'web', image: { ref: 'web:2', digest } }], retry: true }]);
  });

  it('orders several components at once, and configurations laid over the present ones', async () => {
    const config = {
      fields: { restart: null, stop_signal: 'SIGQUIT' },
      env: [{ name: 'A', value: '3' }, { name: 'B' }],
    };
    await swap({}, [
      { name: 'web', image: dir },
      { name: 'sshd', config },
    ]);
    const { digest } = image.manifest;
    const changes = [
      { name: 'web', image: { ref: 'web:2', digest } },
      { name: 'sshd', config: { net: 'host', stop_signal: 'SIGQUIT', env: ['PATH=/bin', 'A=3'] } },
    ];
    expect(orders).toEqual([{ changes, retry: false }]);
    await expect(swap({}, [{ name: 'sshd', config: { fields: { restart: 'sometimes' } } }])).rejects.toThrow(
      /the configuration is not valid: restart: not one of no, always/,
    );
  });

  it('changes nothing of a configuration but what was asked for', async () => {
    const files = [{ path: '/etc/x', contents: 'a:\n\tb\x1b[1mc\r\n' }];
    revision.components.sshd.config = { files, env: ['A=1\t2'] };
    await swap({}, [{ name: 'sshd', config: { env: [{ name: 'B', value: '3' }] } }]);
    expect(orders).toEqual([{ changes: [{ name: 'sshd', config: { files, env: ['A=1\t2', 'B=3'] } }], retry: false }]);
  });

  it('finds no variables in what is no container', async () => {
    revision.components.sshd.kind = 'init';
    const config = { env: [{ name: 'B', value: '3' }] };
    await expect(swap({}, [{ name: 'sshd', config }])).rejects.toThrow('sshd is no system container');
  });

  it('asks for another window only when that is wished', async () => {
    await swap({ stable: '500ms' });
    expect(orders).toMatchObject([{ retry: false, stable: '500ms' }]);
  });

  it('asks for a plan without sending a layer', async () => {
    const plan = await device.planSwap([{ name: 'web', image: dir }]);
    expect(plan.send).toEqual([{ ref: 'web:2', bytes: 7, layers: 1 }]);
    expect(plan.frees).toMatchObject({ items: [{ kind: 'layer' }], bytes: 5 });
    expect([received.size, log.length]).toEqual([0, 0]);
    await expect(device.planSwap([{ name: 'wbe', image: dir }])).rejects.toThrow('Did you mean web?');
  });

  it('says what the device removed to make room, and when it may be too little', async () => {
    room = { needBytes: 30e6, freeBytes: 20e6, collectedBytes: 5e6 };
    const messages = (await swap()).map(({ message }) => message);
    expect(messages.slice(0, 2)).toEqual([
      'the device removed 5.0 MB of old images to make room',
      'web:2 may not fit on the device: it may need 30.0 MB, 20.0 MB are free',
    ]);
  });

  it('sends no layer that the device has', async () => {
    const [first] = image.layers;
    if (first) received.set(first.diffId, Buffer.from('had it'));
    await swap();
    expect(received.get(first?.diffId ?? '')?.toString()).toBe('had it');
    expect(received.size).toBe(2);
  });

  it('refuses a damaged layer before anything is stopped', async () => {
    const layer = image.layers[1];
    if (!layer) throw new Error('no layer');
    const damaged = Buffer.from(layer.data);
    damaged[1000] = 0;
    writeFileSync(join(dir, 'blobs', 'sha256', hexOf(layer.descriptor.digest)), damaged);
    await expect(swap()).rejects.toThrow(/web:2: the layer sha256:.* has the digest sha256:.*nothing was changed/);
    expect(received.has(layer.diffId)).toBe(false);
    expect(orders).toEqual([]);
  });

  it('refuses a layer that is too short', async () => {
    const layer = image.layers[1];
    if (!layer) throw new Error('no layer');
    writeFileSync(join(dir, 'blobs', 'sha256', hexOf(layer.descriptor.digest)), layer.data.subarray(0, 100));
    await expect(swap()).rejects.toThrow(/has 100 bytes instead of 300000/);
    expect(orders).toEqual([]);
  });

  it('names the nearest component before it sends anything', async () => {
    await expect(device.swap([{ name: 'wbe', image: dir }]).next()).rejects.toThrow('Did you mean web?');
    expect(received.size).toBe(0);
  });

  it('names the image when it cannot be read to its end, and shows its name as text', async () => {
    const transport = new UnixTransport(server.path);
    const connection = new Connection(transport);
    await connection.connect();
    const api = new ApiClient(new TransportAgent(() => connection.dial()));
    const source = await openImageSource(dir, { arch: 'amd64' });
    const broken = async function* () {
      yield Buffer.from('a');
      throw new Error('the registry hung up');
    };
    const told: string[] = [];
    const upload = async () => {
      const unreadable = { ...source, ref: 'web\x1b]0;x\x07:2\n', openLayer: async () => Readable.from(broken()) };
      const context = { api, connection, cache: new HostCache(), rates: new RateMeter(transport) };
      for await (const { message } of uploadImages(context, [{ component: 'web', source: unreadable }]))
        told.push(message);
    };
    await expect(upload()).rejects.toThrow(/cannot be read to its end: the registry hung up; nothing was changed/);
    expect(told).toEqual(['web:2^J: 300 kB: 2 whole layers, about 3 ms at 100 MB/s (a guess)', 'sending web:2']);
    await connection.close();
  });

  it('sends layers whole, in one piece, to a device that knows neither differences nor parts', async () => {
    const transport = new UnixTransport(server.path);
    const connection = new Connection(transport);
    await connection.connect();
    const api = new ApiClient(new TransportAgent(() => connection.dial()));
    const source = await openImageSource(dir, { arch: 'amd64' });
    // On a line as slow as that, anything smaller would be tried.
    const rates = new RateMeter({ kind: 'serial', bytesPerSecond: 1000 });
    const sent = [];
    for await (const event of uploadImages({ api, connection, cache: new HostCache(), rates }, [
      { component: 'web', source, former: digestOf('what the device has') },
    ]))
      sent.push(event);
    expect(sent.find(({ transfer }) => transfer)?.transfer?.parts).toMatchObject([
      { method: 'whole', bytes: image.layers[0]?.data.length },
      { method: 'whole', bytes: image.layers[1]?.data.length },
    ]);
    expect([...received.values()]).toEqual(image.layers.map(({ data }) => data));
    await connection.close();
  });

  it('goes on with an upload after the connection broke, without sending again what arrived', async () => {
    let cuts = 0;
    duringLayer = (complete) => {
      if (complete === 1 && cuts++ === 0) server.cutConnections();
    };
    const events = await swap();
    expect(onDevice(events)).toEqual(stages);
    expect(cuts).toBeGreaterThan(0);
    expect(events.some(({ message }) => message.includes('the upload goes on'))).toBe(true);
  });

  it.each(['stop', 'start', 'probe', 'commit', 'done'])(
    'yields each event once when the connection breaks at %s',
    async (at) => {
      duringSwap = ({ stage }) => {
        if (stage === at) server.cutConnections();
      };
      expect(onDevice(await swap())).toEqual(stages);
      expect(orders).toHaveLength(1);
    },
  );

  it('gives a failed swap as what it is', async () => {
    stages = ['stop', 'start', 'probe', 'rollback', 'failed'];
    expect(onDevice(await swap())).toEqual(stages);
  });

  it('does not take an older swap for its own when the order did not arrive', async () => {
    await swap();
    takesOrders = false;
    await expect(swap()).rejects.toThrow('the connection broke before the device took the order: nothing was changed');
  });

  it('says so also where nothing was swapped before', async () => {
    takesOrders = false;
    await expect(swap()).rejects.toThrow('the connection broke before the device took the order: nothing was changed');
  });

  it('tells its own sending from what the device does', async () => {
    stages = ['stage', 'stop', 'done'];
    const events = await swap();
    const first = events.findIndex(({ sending }) => !sending);
    expect(events.slice(0, first).every(({ stage }) => stage === 'stage')).toBe(true);
    expect(events.slice(first).map(({ stage }) => stage)).toEqual(stages);
  });

  it('says that a swap is lost when the device has forgotten it', async () => {
    duringSwap = ({ stage }) => {
      if (stage !== 'start') return;
      log = [];
      server.cutConnections();
    };
    stages = ['stop', 'start'];
    await expect(swap()).rejects.toThrow(/the device no longer knows of that swap/);
  });
});

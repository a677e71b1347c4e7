import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { framing } from '../../init-container/api/frames.ts';
import { readJson, sendJson, startJsonStream } from '../../init-container/api/respond.ts';
import { HttpError, type Route } from '../../init-container/api/router.ts';
import { buildComponent } from '../compose/component/build.ts';
import { forgetImage } from '../compose/oci/forget-image.ts';
import { OciLayout } from '../compose/oci/layout.ts';
import { jsonRoute, TestDevice, testComponent, testInfo } from '../device/api-server.testing.ts';
import { GantryDevice } from '../device/gantry-device.ts';
import { announceImageSchema, type SwapStage, swapRequestSchema } from '../shared/api/types.ts';
import { digestOf, hexOf } from '../shared/oci/digest.ts';
import type { Digest } from '../shared/oci/types.ts';
import { UnixTransport } from '../transport/unix.ts';
import type { DevReport } from './report.ts';
import type { RoundResult } from './round-result.ts';
import { DevSession } from './session.ts';

/** What a device in its place would do with the next order. */
let behaviour: 'takes it' | 'rolls back' | 'is busy' | 'breaks off';
let running: Digest;
let bootId: string;
let orders: Digest[];
/** Lines of the log so far: one for each time that it is asked for. */
let lines: number;
let logsEnd: boolean;
/** The log is empty before so many orders. */
let silentUntil: number;
/** So many questions are not answered. */
let silent: number;

let base: string;
let layout: OciLayout;
let cache: string | undefined;
let server: TestDevice;
let device: GantryDevice;
let end: AbortController;
let rounds: RoundResult[];
let notes: string[];
let said: string[];
let wake: () => void;

const factory = digestOf('web:1');
const revision = () => ({
  schema: 1,
  components: { web: { kind: 'service', image: { ref: 'web:1', digest: running }, order: 0, config: {} } },
});

const routes: Route[] = [
  {
    method: 'GET',
    pattern: '/gantry/v1/device',
    handler: ({ request, response }) => {
      if (silent === 0) return sendJson(response, 200, { ...testInfo, bootId });
      silent -= 1;
      request.socket.destroy();
    },
  },
  jsonRoute('GET', '/gantry/v1/components', () => [testComponent('web', { digest: running })]),
  jsonRoute('GET', `/gantry/v1/revisions/${testInfo.revision.number}`, revision),
  {
    method: 'GET',
    pattern: '/gantry/v1/logs/{name}',
    handler: ({ response, query }) => {
      const stream = framing(1);
      stream.pipe(response);
      if (orders.length >= silentUntil) stream.write(`line ${++lines}\n`);
      if (logsEnd || !query.has('follow')) stream.end();
    },
  },
  {
    method: 'POST',
    pattern: '/gantry/v1/images',
    handler: async ({ request, response }) => {
      const { digest } = await readJson(request, announceImageSchema);
      sendJson(response, 200, { digest, missing: [] });
    },
  },
  {
    method: 'GET',
    pattern: '/gantry/v1/swap',
    handler: () => {
      throw new HttpError(404, 'nothing was swapped on this device yet');
    },
  },
  {
    method: 'POST',
    pattern: '/gantry/v1/swap',
    handler: async ({ request, response }) => {
      const { changes, retry, stable } = await readJson(request, swapRequestSchema);
      expect([retry, stable]).toEqual([true, '1s']);
      const digest = changes[0]?.image?.digest ?? expect.fail();
      orders.push(digest);
      const now = behaviour;
      behaviour = 'takes it';
      if (now === 'is busy') throw new HttpError(409, 'one swap at a time: another is under way');
      if (now === 'breaks off') return void request.socket.destroy();
      const stages: SwapStage[] = ['stage', 'stop', 'start', 'probe'];
      if (now === 'rolls back') stages.push('rollback', 'failed');
      else stages.push('stable', 'commit', 'done');
      const write = startJsonStream(response);
      for (const stage of digest === running ? ['done' as const] : stages) {
        write({ stage, component: 'web', at: '2030-01-01T00:00:00.000Z', message: stage, revision: 7 });
      }
      if (now !== 'rolls back') running = digest;
      response.end();
    },
  },
];

const report: DevReport = {
  watching: () => undefined,
  building: () => undefined,
  swapping: () => undefined,
  healthy: () => undefined,
  ended: (round) => {
    rounds.push(round);
    wake();
  },
  log: async ({ text }) => {
    said.push(text);
    wake();
  },
  note: (text) => void notes.push(text),
  end: () => undefined,
};

beforeEach(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'gantry-session-')));
  cache = process.env.GANTRY_CACHE;
  process.env.GANTRY_CACHE = join(base, 'cache');
  layout = new OciLayout(join(base, 'oci'));
  mkdirSync(join(base, 'web'));
  save('recipe.yml', 'image: web:2\nfiles: [{ path: /page, source: page }]\n');
  save('page', 'one');
  behaviour = 'takes it';
  running = factory;
  bootId = 'b1';
  orders = [];
  rounds = [];
  notes = [];
  said = [];
  lines = 0;
  logsEnd = false;
  silent = 0;
  silentUntil = 0;
  wake = () => undefined;
  end = new AbortController();
  server = await new TestDevice(routes).start();
  device = new GantryDevice('bench', new UnixTransport(server.path));
  await device.connect();
});

afterEach(async () => {
  end.abort();
  await device.close();
  await server.remove();
  if (cache === undefined) delete process.env.GANTRY_CACHE;
  else process.env.GANTRY_CACHE = cache;
  rmSync(base, { recursive: true, force: true });
});

function save(name: string, text: string): void {
  writeFileSync(join(base, 'web', name), text);
}

function session({ logs = false } = {}): DevSession {
  const dir = join(base, 'web');
  return new DevSession({
    device,
    name: 'web',
    dir,
    build: (hooks) => buildComponent(dir, 'amd64', { layout, ...hooks }),
    imageOf: ({ ref }) => `oci:${layout.dir}:${ref}`,
    forget: (digest) => forgetImage(layout, digest),
    stable: '1s',
    logs,
    report,
    signal: end.signal,
  });
}

async function nextRound(): Promise<RoundResult> {
  while (rounds.length === 0) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  return rounds.shift() ?? expect.fail();
}

it('swaps what was saved, and keeps only what runs and what was tried last', async () => {
  const watching = session().watch();
  const first = await nextRound();
  expect(first).toMatchObject({ outcome: 'running', changes: ['first build'], revision: 7 });
  save('page', 'two');
  const second = await nextRound();
  expect(second).toMatchObject({ outcome: 'running', changes: ['page'], digest: running });
  behaviour = 'rolls back';
  save('page', 'three');
  const third = await nextRound();
  expect(third).toMatchObject({ outcome: 'rolled-back', message: 'failed' });
  const kept = (round: RoundResult) => round.digest !== undefined && layout.has(round.digest);
  expect([first, second, third].map(kept)).toEqual([false, true, true]);
  end.abort();
  await watching;
});

it('does not try again what failed because of a file that is not in the image', async () => {
  behaviour = 'rolls back';
  void session().watch();
  expect(await nextRound()).toMatchObject({ outcome: 'rolled-back' });
  save('notes', 'x');
  expect(await nextRound()).toMatchObject({ outcome: 'unchanged', changes: ['notes'] });
  expect(orders).toHaveLength(1);
  // Saved again as it is, it is meant.
  save('page', 'one');
  expect(await nextRound()).toMatchObject({ outcome: 'running', changes: ['page'] });
  expect(orders).toHaveLength(2);
});

it('waits until a swap of somebody else has ended', async () => {
  behaviour = 'is busy';
  void session().watch();
  expect(await nextRound()).toMatchObject({ outcome: 'running' });
  expect(orders).toHaveLength(2);
  expect(notes).toEqual([expect.stringContaining('one swap at a time')]);
});

it('tries again what was lost with the connection', async () => {
  behaviour = 'breaks off';
  void session().watch();
  expect(await nextRound()).toMatchObject({ outcome: 'lost' });
  expect(await nextRound()).toMatchObject({ outcome: 'running', changes: ['first build'] });
});

it('asks a device again that is connected and does not answer', async () => {
  behaviour = 'breaks off';
  void session().watch();
  expect(await nextRound()).toMatchObject({ outcome: 'lost' });
  silent = 3;
  expect(await nextRound()).toMatchObject({ outcome: 'running', changes: ['first build'] });
  expect(silent).toBe(0);
});

it('knows whether the device may have an order', async () => {
  const watched = session();
  const at: string[] = [];
  report.swapping = ({ stage, sending }) => void at.push(`${sending ? 'sending' : stage}: ${watched.lastWords}`);
  onTestFinished(() => {
    report.swapping = () => undefined;
  });
  expect(watched.lastWords).toBe('web runs what it ran before');
  void watched.watch();
  await nextRound();
  expect(at.at(-1)).toMatch(/^done: the device goes on with the swap of web by itself, if it has begun/);
  expect(watched.lastWords).toBe('web runs the last good version (revision 7)');
});

it('brings the last version to a device that has forgotten it at a restart, and leaves one alone that has not', async () => {
  void session({ logs: true }).watch();
  const { digest } = await nextRound();
  const becomes = (wanted: string) =>
    new Promise<void>((resolve) => {
      device.connection.subscribe(({ state }) => state === wanted && resolve());
    });
  const restart = async () => {
    const gone = becomes('reconnecting');
    await server.stop();
    await gone;
    const back = becomes('connected');
    await server.start();
    await back;
  };
  bootId = 'b2';
  await restart();
  // It still runs it: the next round is that of a save.
  save('page', 'two');
  expect(await nextRound()).toMatchObject({ outcome: 'running', changes: ['page'] });
  bootId = 'b3';
  running = factory;
  await restart();
  const again = await nextRound();
  expect(again).toMatchObject({ outcome: 'running', changes: ['the device was restarted'], digest: running });
  expect(again.digest).not.toBe(digest);
});

it('goes on with the log of a component that had ended for good when the next swap starts it', async () => {
  logsEnd = true;
  void session({ logs: true }).watch();
  for (let round = 1; round <= 3; round++) {
    save('page', `page ${round}`);
    await nextRound();
    while (said.length < round) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  expect(notes).toEqual([]);
});

it('has the log also of a component that says its first words after the swap', async () => {
  logsEnd = true;
  silentUntil = 1;
  void session({ logs: true }).watch();
  await nextRound();
  while (said.length === 0) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  expect(said).toEqual(['line 1']);
});

it('tells after one round what came of it', async () => {
  const { result } = await session().once();
  expect(result).toMatchObject({ outcome: 'running', digest: running });
  save('recipe.yml', 'image: web:2\nfiles: [{ path: /page, source: none }]\n');
  const failed = await session().once();
  expect([failed.result.outcome, (failed.cause as Error).message]).toEqual(['not-built', failed.result.message]);
  expect(hexOf(running)).toHaveLength(64);
});

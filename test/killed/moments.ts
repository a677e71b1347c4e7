import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { specKey } from '../../init-container/engine/record.ts';
import type { ComponentStatus, RevisionList, SwapEvent } from '../../src/shared/api/types.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { type Revision, revisionSchema } from '../../src/shared/definition/revision.ts';
import type { NativeDevice } from '../e2e/support/native.ts';
import { until } from '../e2e/support/until.ts';

/**
 * The init container is killed at every moment of a swap, a failing swap and a rollback at which something persists: the
 * moments are those that a run passes which is not killed. A device on this machine's kernel, with real containers.
 */
export interface Moment {
  story: string;
  /** A fault point: see init-container/native/fault-point.ts. */
  point: string;
  /** Which passing of it. */
  nth: number;
}

interface Story {
  /** What is swapped. Nothing else may be touched. */
  component: 'web' | 'page';
  path: string;
  body(config: ComponentConfig, run: number): object;
  ends: 'done' | 'failed';
}

const variable = (run: number) => ({ env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', `RUN=${run}`] });
const swapTo = (config: ComponentConfig, name = 'web') => ({ changes: [{ name, config }], retry: true });
const well: ComponentConfig = { swap: { stable: '200ms' } };

const stories: Record<string, Story> = {
  'a swap': {
    component: 'web',
    path: '/gantry/v1/swap',
    body: (_config, run) => swapTo({ ...well, ...variable(run) }),
    ends: 'done',
  },
  'a swap that fails': {
    component: 'web',
    path: '/gantry/v1/swap',
    body: (config, run) =>
      swapTo({
        ...config,
        ...variable(run),
        healthcheck: { tcp: '127.0.0.1:9', interval: '100ms', retries: 1, start_period: '0s' },
      }),
    ends: 'failed',
  },
  'a rollback': { component: 'web', path: '/gantry/v1/rollback', body: () => ({ name: 'web' }), ends: 'done' },
  'a swap by overlap': {
    component: 'page',
    path: '/gantry/v1/swap',
    body: (config, run) =>
      swapTo({ ...config, ...variable(run), swap: { strategy: 'overlap', stable: '200ms' } }, 'page'),
    ends: 'done',
  },
};

const orders = '/run/gantry/faults';
const points = '/run/gantry/points';

/** Makes a device that was not booted for it look for orders of faults. */
export async function armFaults(device: NativeDevice): Promise<void> {
  const pid = /^\/proc\/(\d+)\//.exec(device.path('/'))?.[1];
  const script = 'echo gantry.faults=1 >/run/cmdline && mount --bind /run/cmdline /proc/cmdline';
  await execa('nsenter', [`--mount=/proc/${pid}/ns/mnt`, `--root=/proc/${pid}/root`, 'busybox', 'sh', '-c', script]);
  await device.killInit();
}

/** Lets every story happen once and writes down what it passes. */
export async function recordMoments(device: NativeDevice): Promise<Moment[]> {
  const moments: Moment[] = [];
  let run = 0;
  for (const story of Object.keys(stories)) {
    order(device, { action: 'record', to: points });
    const events = await tell(device, story, run++);
    rmSync(device.path(orders));
    if (events.at(-1)?.stage !== stories[story]?.ends) throw new Error(`${story}: ${JSON.stringify(events.at(-1))}`);
    const counts = new Map<string, number>();
    for (const point of readFileSync(device.path(points), 'utf8').split('\n')) {
      if (!isOfStory(point, story)) continue;
      const nth = (counts.get(point) ?? 0) + 1;
      counts.set(point, nth);
      moments.push({ story, point, nth });
    }
    rmSync(device.path(points));
  }
  return moments;
}

/** What others write meanwhile (health of another component) comes when it comes. */
function isOfStory(point: string, story: string): boolean {
  const others = ['mosquitto', 'web', 'page'].filter((name) => name !== stories[story]?.component);
  return point !== '' && !others.some((name) => point.split(' ').some((word) => word.startsWith(name)));
}

/** Lets a story happen, kills the init container at the moment, and expects that everything converges. */
export async function killAt(device: NativeDevice, moment: Moment, run: number): Promise<string> {
  const { story, point, nth } = moment;
  const before = await components(device);
  const { current } = await revisions(device);
  order(device, { action: 'kill', point, nth });
  const { pid } = (await device.info()).init;
  const seen = await tell(device, story, run).catch(() => undefined);
  if (seen?.at(-1) && (await isOrdered(device))) {
    // How often a container's state changes depends on timing now and then: this run had one change less.
    rmSync(device.path(orders), { force: true });
    await expectConverged(device, before, stories[story]?.component ?? '', current, seen);
    return 'not passed';
  }
  await until('the next init container', 60, async () => (await device.info()).init.pid !== pid);
  const events = await until('the swap to end', 90, () => ended(device));
  await expectConverged(device, before, stories[story]?.component ?? '', current, events);
  return events.at(-1)?.stage ?? 'none';
}

async function expectConverged(
  device: NativeDevice,
  before: ComponentStatus[],
  component: string,
  wasCurrent: number,
  events: SwapEvent[],
): Promise<void> {
  const list = await revisions(device);
  const last = events.at(-1);
  const made = list.revisions[0]?.number ?? -1;
  expectThat(list.current === wasCurrent || list.current === made, `revision ${list.current} is in force`);
  expectThat(
    !list.revisions.some(({ state }) => state === 'trying'),
    `revision ${made} is neither taken nor given up: ${JSON.stringify(list.revisions[0])}`,
  );
  // A swap that was killed before its first note has none; what is replayed then is the one before it.
  expectThat(last?.stage === 'done' || last?.stage === 'failed', `the swap ended with ${JSON.stringify(last)}`);
  const revision = await revisionOf(device, list.current);
  const wanted = revision.components[component];
  const found = await until(`${component} to run as the revision in force says`, 30, async () => {
    const now = await device.component(component);
    if (now.state !== 'running' || now.health === 'unhealthy' || now.health === 'starting' || now.beside)
      throw new Error(JSON.stringify(now));
    return now;
  });
  const right = wanted !== undefined && found.spec === specKey(wanted);
  expectThat(right, `${component} runs something else: ${JSON.stringify(found)}`);
  for (const old of before.filter(({ id, name }) => id !== undefined && name !== component)) {
    const now = await device.component(old.name);
    const same = now.pid === old.pid && now.startedAt === old.startedAt && now.state === 'running';
    expectThat(same, `${old.name} was touched: ${JSON.stringify(old)}, ${JSON.stringify(now)}`);
  }
}

async function tell(device: NativeDevice, story: string, run: number): Promise<SwapEvent[]> {
  const { current } = await revisions(device);
  const { component, path, body } = stories[story] ?? { component: '', path: '', body: () => ({}) };
  const config = (await revisionOf(device, current)).components[component]?.config ?? {};
  return parsed(await device.call('POST', path, body(config, run)));
}

async function ended(device: NativeDevice): Promise<SwapEvent[] | undefined> {
  const events = parsed(await device.call('GET', '/gantry/v1/swap'));
  const last = events.at(-1);
  return last?.stage === 'done' || last?.stage === 'failed' ? events : undefined;
}

function parsed(text: string): SwapEvent[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SwapEvent);
}

function order(device: NativeDevice, what: object): void {
  mkdirSync(dirname(device.path(orders)), { recursive: true });
  writeFileSync(device.path(orders), JSON.stringify(what));
}

async function isOrdered(device: NativeDevice): Promise<boolean> {
  try {
    return readFileSync(device.path(orders), 'utf8') !== '';
  } catch {
    return false;
  }
}

async function revisions(device: NativeDevice): Promise<RevisionList> {
  return JSON.parse(await device.call('GET', '/gantry/v1/revisions')) as RevisionList;
}

async function revisionOf(device: NativeDevice, number: number): Promise<Revision> {
  return revisionSchema.parse(JSON.parse(await device.call('GET', `/gantry/v1/revisions/${number}`)));
}

async function components(device: NativeDevice): Promise<ComponentStatus[]> {
  return JSON.parse(await device.call('GET', '/gantry/v1/components')) as ComponentStatus[];
}

function expectThat(is: boolean, otherwise: string): void {
  if (!is) throw new Error(otherwise);
}

/** So many of them, from all parts of the list. */
export function evenly(moments: readonly Moment[], count: number): Moment[] {
  const step = Math.max(1, moments.length / count);
  const places = Array.from({ length: Math.min(count, moments.length) }, (_, index) => Math.floor(index * step));
  return places.flatMap((place) => moments[place] ?? []);
}

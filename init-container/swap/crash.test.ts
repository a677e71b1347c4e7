import { existsSync, readdirSync } from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../store/test-support.ts';
import type { Supervisor } from '../supervisor/types.ts';
import type { SwapEvents } from './event-log.ts';
import {
  allOf,
  configure,
  type Device,
  type DeviceOptions,
  imageOf,
  Machine,
  openDevice,
  swapTo,
} from './test-support.ts';

/**
 * The process dies at every moment at which something becomes visible outside it: before and after each rename and each
 * opening for writing (a journal's line) in the device's data folder, and before and after each call of the supervisor.
 * The list of moments is made by a run that does not die. To die is to wait for ever.
 */
class CrashPoints {
  readonly passed: string[] = [];
  readonly #at: number | undefined;
  #died: () => void = () => undefined;
  readonly death: Promise<void>;

  constructor(at?: number) {
    this.#at = at;
    this.death = new Promise((resolve) => {
      this.#died = resolve;
    });
  }

  async pass(point: string): Promise<void> {
    if (this.passed.push(point) - 1 !== this.#at) return;
    this.#died();
    await new Promise(() => undefined);
  }

  async around<T>(what: string, work: () => Promise<T>): Promise<T> {
    await this.pass(`before ${what}`);
    const result = await work();
    await this.pass(`after ${what}`);
    return result;
  }
}

/** The disk fails at one of these moments, once; the process lives on. */
class DiskFaults extends CrashPoints {
  readonly #faultAt: number | undefined;

  constructor(at?: number) {
    super();
    this.#faultAt = at;
  }

  override async pass(point: string): Promise<void> {
    if (this.passed.push(point) - 1 === this.#faultAt)
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  }
}

const real = { rename: fsPromises.rename, open: fsPromises.open };

function watchFiles(points: CrashPoints, folder: string): void {
  fsPromises.rename = (from, to) => {
    const work = () => real.rename(from, to);
    return String(to).startsWith(folder) ? points.around(`rename ${basename(String(to))}`, work) : work();
  };
  fsPromises.open = async (path, flags, mode) => {
    if (String(path).startsWith(folder) && flags !== 'r') await points.pass(`before writing ${basename(String(path))}`);
    return real.open(path, flags, mode);
  };
  syncBuiltinESMExports();
}

function watchSupervisor(points: CrashPoints, supervisor: Supervisor): void {
  for (const method of ['stopForSwap', 'startForSwap', 'startBesideForSwap'] as const) {
    const work = supervisor[method].bind(supervisor);
    supervisor[method] = (name) => points.around(`${method} ${name}`, () => work(name));
  }
  const prepare = supervisor.prepareForSwap.bind(supervisor);
  supervisor.prepareForSwap = (name, spec) => points.around(`prepare ${name}`, () => prepare(name, spec));
  const settle = supervisor.settleForSwap.bind(supervisor);
  supervisor.settleForSwap = (name, keep) => points.around(`settle ${name} ${keep}`, () => settle(name, keep));
  const work = supervisor.waitHealthy.bind(supervisor);
  supervisor.waitHealthy = (name, signal) => points.around(`waitHealthy ${name}`, () => work(name, signal));
}

afterEach(() => {
  Object.assign(fsPromises, real);
  syncBuiltinESMExports();
});

interface Story {
  name: string;
  prepare?: (device: Device) => Promise<unknown>;
  begin: (device: Device) => SwapEvents;
  ends: 'done' | 'failed';
  /** The device reboots on the way: everything is started anew. */
  reboots?: boolean;
  /** Data are copied by programs, which takes a while: every other moment of each kind of death must do. */
  copies?: boolean;
}

/** Thousands of files are synced here, and what is tried is the order, not the disk. */
const fastDisk = existsSync('/dev/shm') ? '/dev/shm' : undefined;

const last = async (events: SwapEvents) => (await allOf(events)).at(-1);

const both = (name: string, ref: string) => ({
  changes: [
    { name, image: imageOf(ref) },
    { name: 'web', image: imageOf('web:2') },
  ],
  retry: false,
});

const stories: Story[] = [
  { name: 'a swap', begin: ({ swaps }) => swaps.swap(swapTo('web', 'web:2')), ends: 'done' },
  {
    name: 'a swap to an image that is never healthy',
    begin: ({ swaps }) => swaps.swap(swapTo('web', 'web:sick')),
    ends: 'failed',
  },
  {
    name: 'a swap to an image that cannot start',
    begin: ({ swaps }) => swaps.swap(swapTo('web', 'web:dead')),
    ends: 'failed',
  },
  {
    name: 'a swap of several components, one with data of its own, of which the last fails',
    begin: ({ swaps }) =>
      swaps.swap({
        changes: [
          { name: 'store', image: imageOf('store:2') },
          { name: 'sshd', image: imageOf('sshd:2') },
          { name: 'web', image: imageOf('web:sick') },
        ],
        retry: false,
      }),
    ends: 'failed',
    copies: true,
  },
  {
    name: 'a swap of the configuration alone',
    begin: ({ swaps }) => swaps.swap(configure('web', { env: ['A=b'] })),
    ends: 'done',
  },
  {
    name: 'a swap of the configuration alone that is never healthy',
    begin: ({ swaps }) => swaps.swap(configure('web', { env: ['BAD=1'] })),
    ends: 'failed',
  },
  {
    name: 'a swap with overlap',
    begin: ({ swaps }) => swaps.swap(swapTo('app', 'app:2')),
    ends: 'done',
  },
  {
    name: 'a swap with overlap to an image that is never healthy',
    begin: ({ swaps }) => swaps.swap(swapTo('app', 'app:sick')),
    ends: 'failed',
  },
  {
    name: 'a swap of a part that takes effect at once, and of a service',
    begin: ({ swaps }) =>
      swaps.swap({
        changes: [
          { name: 'base', image: imageOf('base:2') },
          { name: 'web', image: imageOf('web:2') },
        ],
        retry: false,
      }),
    ends: 'done',
  },
  {
    name: 'a swap of the init container and of a service',
    begin: ({ swaps }) => swaps.swap(both('init', 'init:2')),
    ends: 'done',
  },
  {
    name: 'a swap to an init container that does not work',
    begin: ({ swaps }) => swaps.swap(swapTo('init', 'init:sick')),
    ends: 'failed',
  },
  {
    name: 'a swap of the kernel and of a service',
    begin: ({ swaps }) => swaps.swap(both('kernel', 'kernel:7')),
    ends: 'done',
    reboots: true,
  },
  {
    name: 'a swap to a kernel that does not boot',
    begin: ({ swaps }) => swaps.swap(swapTo('kernel', 'kernel:dead')),
    ends: 'failed',
    reboots: true,
  },
  {
    name: 'a swap to what ran before, with data of its own',
    prepare: ({ swaps }) => last(swaps.swap(swapTo('store', 'store:2'))),
    begin: ({ swaps }) => swaps.swap(swapTo('store', 'store:1')),
    ends: 'done',
    copies: true,
  },
  {
    name: 'a swap to what ran before, with data of its own, and does not any more',
    prepare: async ({ swaps, machine }) => {
      await last(swaps.swap(swapTo('store', 'store:2')));
      machine.broken.set('store:1', 'unhealthy');
    },
    begin: ({ swaps }) => swaps.swap(swapTo('store', 'store:1')),
    ends: 'failed',
    copies: true,
  },
  {
    name: 'a rollback of two components',
    prepare: async (device) => {
      await last(device.swaps.swap(swapTo('web', 'web:2')));
      await last(device.swaps.swap(swapTo('sshd', 'sshd:2')));
    },
    begin: ({ swaps }) => swaps.rollback({ revision: 0 }),
    ends: 'done',
  },
];

/** What happens to the machine when the process dies, and whether the next supervisor puts things right by itself. */
const deaths = [
  { name: 'kill -9', power: false, replace: false },
  { name: 'kill -9, the supervisor replacing what is not as the revision says', power: false, replace: true },
  { name: 'a power cut', power: true, replace: false },
];

/** Runs `work` to its end, to the moment at which the process dies, or to a restart that the swap itself orders. */
async function untilDeath(
  points: CrashPoints,
  folder: string,
  device: Device,
  work: () => Promise<unknown>,
): Promise<'ended' | 'died' | 'restarted'> {
  const restarted = nextRestart(device.machine);
  watchFiles(points, folder);
  if (!(points instanceof DiskFaults)) watchSupervisor(points, device.supervisor);
  const how = await Promise.race([
    work().then(() => 'ended' as const),
    points.death.then(() => 'died' as const),
    restarted,
  ]);
  Object.assign(fsPromises, real);
  syncBuiltinESMExports();
  return how;
}

/** Resolves when a swap orders a restart, which has then taken place. */
function nextRestart(machine: Machine): Promise<'restarted'> {
  return new Promise((resolve) => {
    machine.onRestart = (effect) => {
      if (effect === 'reboot') machine.cutPower();
      else machine.takeEffect(effect);
      resolve('restarted');
    };
  });
}

/** The next process, and those that a swap needs after it. */
async function comeUp(folder: string, machine: Machine, options: DeviceOptions = {}): Promise<Device> {
  for (let process = 0; process < 6; process++) {
    const restarted = nextRestart(machine);
    const device = await openDevice(folder, machine, options);
    const how = await Promise.race([device.swaps.recover().then(() => 'ended' as const), restarted]);
    if (how === 'ended') return device;
  }
  throw new Error('it restarts again and again');
}

/** Lets a story happen, in as many processes as it takes. */
async function begin(story: Story, points: CrashPoints) {
  const folder = await temporaryFolder(fastDisk);
  const machine = new Machine();
  machine.broken.set('web:sick', 'unhealthy').set('app:sick', 'unhealthy').set('web:dead', 'no start');
  machine.broken.set('web BAD=1', 'unhealthy').set('init:sick', 'unhealthy').set('kernel:dead', 'no start');
  let device = await openDevice(folder, machine);
  await story.prepare?.(device);
  const before = device.revisions.current();
  const pids = new Map([...machine.up].map(([name, { pid }]) => [name, pid]));
  const seen: string[] = [];
  const follow = async (events: SwapEvents | undefined) => {
    seen.length = 0;
    for await (const { stage } of events?.follow() ?? []) seen.push(stage);
  };
  let how = await untilDeath(points, folder, device, () => follow(story.begin(device)));
  while (how === 'restarted') {
    const next = await openDevice(folder, machine);
    device = next;
    how = await untilDeath(points, folder, next, () => Promise.all([next.swaps.recover(), follow(next.swaps.latest)]));
  }
  return { folder, machine, before, seen, device, pids };
}

/** The components that a story is about, found by letting it happen. */
async function changedIn(story: Story, points: CrashPoints): Promise<string[]> {
  const { device } = await begin(story, points);
  const revisions = device.revisions.list().revisions;
  return revisions[0]?.changes.map(({ name }) => name) ?? [];
}

/** What runs is what the revision in force says, all of it. */
function expectWhole({ machine, revisions }: Device): void {
  const { components } = revisions.current().revision;
  for (const name of ['web', 'sshd', 'app', 'store'])
    expect(machine.up.get(name)?.spec, name).toEqual(components[name]);
  expect([...machine.beside.keys()]).toEqual([]);
  for (const [name, { runs }] of machine.parts) expect(runs, name).toBe(components[name]?.image.ref);
}

/** Data that belong to a revision hold what those wrote who ran on them: each leaves its name there. */
function expectData({ machine, revisions }: Device): void {
  const { revisions: all } = revisions.list();
  const committed = revisions.committed().map((number) => ({
    store: revisions.get(number)?.revision.components.store,
    reason: all.find((one) => one.number === number)?.reason,
  }));
  // Only a swap back to it that succeeded brought it the data of its successor.
  const again = committed.some(({ store, reason }) => store?.image.ref === 'store:1' && reason === 'swap store');
  for (const { store } of committed) {
    for (const folder of store ? machine.data(store) : []) {
      const both = store?.image.ref === 'store:2' || again;
      expect(readdirSync(folder).toSorted()).toEqual(both ? ['store:1', 'store:2'] : ['store:1']);
      expect(readdirSync(dirname(folder)).filter((name) => name.endsWith('.former'))).toEqual([]);
    }
  }
}

describe.each(stories)('$name', (story) => {
  it('ends as it should when nothing dies', async () => {
    const { seen, device } = await begin(story, new CrashPoints());
    expect(seen.at(-1)).toBe(story.ends);
    expectWhole(device);
    expectData(device);
  });

  it.each(deaths)(
    'leaves the old or the new revision, whole, after $name at any moment',
    async ({ power, replace }) => {
      const points = new CrashPoints();
      const changed = await changedIn(story, points);
      expect(points.passed.length).toBeGreaterThan(15);
      // How the next supervisor comes up matters little where: a third of the moments shows it.
      const first = story.copies && power ? 1 : 0;
      for (let at = first; at < points.passed.length; at += replace ? 3 : story.copies ? 2 : 1) {
        const { folder, machine, before, seen, pids } = await begin(story, new CrashPoints(at));
        const untouched = [...pids.keys()].filter((name) => !changed.includes(name));
        if (power) machine.cutPower();
        const context = `after death at "${points.passed[at]}"`;

        const device = await comeUp(folder, machine, { replace });
        expectWhole(device);
        expectData(device);
        // Nothing that was not to be swapped was touched.
        for (const name of untouched)
          if (!power && !story.reboots) expect(machine.up.get(name)?.pid, `${name} ${context}`).toBe(pids.get(name));
        expect(device.revisions.trying(), context).toEqual([]);
        const { number } = device.revisions.current();
        const outcome = device.swaps.latest && (await last(device.swaps.latest));
        // What was said to be done stays done, and nothing is in force that failed.
        if (seen.includes('done')) expect(number, context).not.toBe(before.number);
        if (story.ends === 'failed') expect(number, context).toBe(before.number);
        if (outcome && seen.length > 0) {
          expect(outcome, context).toMatchObject({
            revision: number,
            stage: number === before.number ? 'failed' : 'done',
          });
        }

        // Nothing is left to do for the next process, and the device can be swapped again.
        const again = await openDevice(folder, machine, { replace });
        await again.swaps.recover();
        expect(again.supervisor.calls, context).toEqual([]);
        expect(await last(again.swaps.swap(swapTo('web', 'web:3'))), context).toMatchObject({ stage: 'done' });
        expectWhole(again);
      }
    },
    240_000,
  );
});

describe.each(stories)('$name, on a disk that fails once', (story) => {
  it('ends as it says it does, for this process and the next', async () => {
    const points = new DiskFaults();
    await begin(story, points);
    expect(points.passed.length).toBeGreaterThan(10);
    for (let at = 0; at < points.passed.length; at += story.copies ? 2 : 1) {
      const { folder, machine, before, seen, device } = await begin(story, new DiskFaults(at));
      const context = `after a fault at "${points.passed[at]}"`;
      expect(['done', 'failed'], context).toContain(seen.at(-1));
      expectWhole(device);
      const { number } = device.revisions.current();
      expect(number === before.number, context).toBe(seen.at(-1) === 'failed');

      const next = await comeUp(folder, machine);
      expectWhole(next);
      expectData(next);
      expect(next.revisions.current().number, context).toBe(number);
      expect(next.revisions.trying(), context).toEqual([]);
      expect(await last(next.swaps.swap(swapTo('web', 'web:3'))), context).toMatchObject({ stage: 'done' });
    }
  }, 240_000);
});

it('the old or the new revision is left, whole, however often the next process dies as well', async () => {
  const moment = fc.nat(90);
  const deaths = fc.array(fc.record({ moment, power: fc.boolean(), replace: fc.boolean() }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...stories), moment, deaths, async (story, first, more) => {
      const { folder, machine, before } = await begin(story, new CrashPoints(first));
      for (const death of more) {
        if (death.power) machine.cutPower();
        const device = await openDevice(folder, machine, { replace: death.replace });
        await untilDeath(new CrashPoints(death.moment % 12), folder, device, () => device.swaps.recover());
      }
      const device = await comeUp(folder, machine);
      expectWhole(device);
      expectData(device);
      if (story.ends === 'failed') expect(device.revisions.current().number).toBe(before.number);
    }),
    { numRuns: 60 },
  );
}, 240_000);

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../store/test-support.ts';
import { allOf, configure, imageDigest, imageOf, Machine, openDevice, specOf, swapTo } from './test-support.ts';

const stages = (events: { stage: string }[]) => events.map(({ stage }) => stage).join(' ');

async function freshDevice(options?: Parameters<typeof openDevice>[2]) {
  const folder = await temporaryFolder();
  return { folder, ...(await openDevice(folder, new Machine(), options)) };
}

describe('swap', () => {
  it('goes through its stages and puts the new revision in force', async () => {
    const { swaps, revisions, machine, supervisor } = await freshDevice();
    const events = await allOf(swaps.swap(swapTo('web', 'web:2')));
    expect(stages(events)).toBe('stage stage stop start probe stable commit done');
    expect(events.at(-1)).toMatchObject({ component: 'web', revision: 1, downtimeMs: expect.any(Number) });
    expect(supervisor.calls).toEqual(['stop web', 'start web:2', 'probe web:2']);
    expect([machine.runs('web'), machine.runs('sshd')]).toEqual([imageDigest('web:2'), imageDigest('sshd:1')]);
    expect(revisions.list()).toMatchObject({
      current: 1,
      previous: 0,
      revisions: [
        { number: 1, state: 'current', reason: 'swap web', changes: [{ name: 'web', from: 'web:1', to: 'web:2' }] },
        { number: 0, state: 'previous', factory: true, reason: 'factory', changes: [] },
      ],
    });
  });

  it.each([
    ['unhealthy', 'stage stage stop start probe rollback rollback rollback rollback failed', /unhealthy: HTTP 500/],
    ['ends', 'stage stage stop start probe rollback rollback rollback failed', /last words: oh no/],
    ['no start', 'stage stage stop start rollback rollback rollback failed', /no such file/],
  ] as const)(
    'rolls an image back that is broken (%s), and refuses it until someone wants it again',
    async (fault, expected, reason) => {
      const { swaps, revisions, machine } = await freshDevice();
      machine.broken.set('web:broken', fault);
      const events = await allOf(swaps.swap(swapTo('web', 'web:broken')));
      expect(stages(events)).toBe(expected);
      expect(events.at(-1)).toMatchObject({ revision: 0, message: expect.stringMatching(reason) });
      expect(events.at(-1)?.message).toMatch(/web runs web:1 as before/);
      expect(machine.runs('web')).toBe(imageDigest('web:1'));
      expect(revisions.list().revisions[0]).toMatchObject({
        number: 1,
        state: 'refused',
        failure: expect.stringMatching(reason),
      });

      expect(() => swaps.swap(swapTo('web', 'web:broken'))).toThrow(/was rolled back at 20.*--retry/s);
      machine.broken.clear();
      expect(stages(await allOf(swaps.swap(swapTo('web', 'web:broken', true))))).toMatch(/done$/);
      expect(revisions.refusal('web', specOf('web:broken'))).toBeUndefined();
    },
  );

  it('changes nothing when the image is not complete', async () => {
    const { swaps, supervisor, revisions } = await freshDevice({ missing: ['web:2'] });
    const events = await allOf(swaps.swap(swapTo('web', 'web:2')));
    expect(stages(events)).toBe('stage failed');
    expect(events.at(-1)?.message).toMatch(/nothing was changed: the image .* is not on this device/);
    expect([supervisor.calls, revisions.list().revisions.length]).toEqual([[], 1]);
  });

  it.each([
    ['its container cannot be made', 'web', 'web:2', /nothing was changed: no program in the image/, 'refused'],
    ['its data do not fit', 'store', 'store:2', /nothing was changed: the volume "data" does not fit/, undefined],
  ] as const)('stops nothing when %s', async (_why, name, ref, reason, state) => {
    const { swaps, supervisor, machine, revisions } = await freshDevice();
    machine.broken.set('web:2', 'cannot be made');
    machine.full = true;
    if (name === 'web') machine.full = false;
    const events = await allOf(swaps.swap(swapTo(name, ref)));
    expect(events.at(-1)).toMatchObject({ stage: 'failed', message: expect.stringMatching(reason) });
    expect([supervisor.calls, supervisor.prepared]).toEqual([[], []]);
    expect(revisions.list().revisions[0]?.state).toBe(state ?? 'current');
  });

  it('says so when the old one does not come back either', async () => {
    const { swaps, machine } = await freshDevice();
    machine.broken.set('web:2', 'unhealthy').set('web:1', 'no start');
    const events = await allOf(swaps.swap(swapTo('web', 'web:2')));
    expect(events.at(-1)).toMatchObject({
      stage: 'failed',
      message: expect.stringMatching(/web did not come back: no such file/),
    });
  });

  it('leaves a component stopped that was stopped before, when the new image fails', async () => {
    const { swaps, machine } = await freshDevice();
    machine.up.delete('web');
    machine.broken.set('web:2', 'unhealthy');
    expect(stages(await allOf(swaps.swap(swapTo('web', 'web:2'))))).toMatch(/failed$/);
    expect(machine.up.has('web')).toBe(false);
  });

  it('has nothing to do for the image that runs', async () => {
    const { swaps, supervisor } = await freshDevice();
    const events = await allOf(swaps.swap(swapTo('web', 'web:1')));
    expect(events).toMatchObject([{ stage: 'done', message: 'web already runs web:1', revision: 0 }]);
    expect(supervisor.calls).toEqual([]);
  });

  it('swaps what runs at boot without starting it, where that outlives a power-off', async () => {
    const { swaps, supervisor, revisions } = await freshDevice();
    const events = await allOf(swaps.swap(swapTo('sysctl', 'sysctl:2')));
    expect(stages(events)).toBe('stage commit done');
    expect([supervisor.calls, revisions.current().number]).toEqual([[], 1]);
    expect(supervisor.specs.get('sysctl')?.image.ref).toBe('sysctl:2');
    const ephemeral = await freshDevice({ persistent: false });
    expect(() => ephemeral.swaps.swap(swapTo('sysctl', 'sysctl:2'))).toThrow(/no data partition/);
  });

  it('refuses what it cannot do, with words', async () => {
    const { swaps } = await freshDevice();
    expect(() => swaps.swap(swapTo('wbe', 'web:2'))).toThrow(/no component "wbe"; the nearest names are: web/);
    expect(() => swaps.swap(swapTo('constructor', 'web:2'))).toThrow(/no component/);
    expect(() => swaps.swap(swapTo('kernel', 'kernel:foreign'))).toThrow(
      /the device's kernel: its image is for another/,
    );
    const { swaps: few } = await freshDevice({ withoutParts: true });
    expect(() => few.swap(swapTo('kernel', 'kernel:7'))).toThrow(/the device's kernel: it cannot be swapped here/);
    const running = swaps.swap(swapTo('web', 'web:2'));
    expect(() => swaps.swap(swapTo('sshd', 'sshd:2'))).toThrow(/one swap at a time: "swap web" is under way/);
    expect(() => swaps.rollback({})).toThrow(/one swap at a time/);
    await allOf(running);
    expect(stages(await allOf(swaps.swap(swapTo('sshd', 'sshd:2'))))).toMatch(/done$/);
  });

  it('fails without touching anything when the disk takes no journal', async () => {
    const { folder, swaps, machine, supervisor } = await freshDevice();
    // A folder in the place of the temporary file: every write of the journal fails, also for root.
    await import('node:fs/promises').then(({ mkdir }) => mkdir(join(folder, 'data/swap.json.tmp')));
    expect(stages(await allOf(swaps.swap(swapTo('web', 'web:2'))))).toMatch(/failed$/);
    expect([supervisor.calls, machine.runs('web')]).toEqual([[], imageDigest('web:1')]);
  });
});

describe('several components', () => {
  const both = (web: string, sshd: string) => ({
    changes: [
      { name: 'web', image: imageOf(web) },
      { name: 'sshd', image: imageOf(sshd) },
    ],
    retry: false,
  });

  it('are swapped as one', async () => {
    const { swaps, supervisor, revisions } = await freshDevice();
    const events = await allOf(swaps.swap(both('web:2', 'sshd:2')));
    expect(supervisor.calls).toEqual([
      'stop web', 'stop sshd', 'start sshd:2', 'probe sshd:2', 'start web:2', 'probe web:2',
    ]); // biome-ignore format: one line is one order
    expect(events.at(-1)).toMatchObject({ stage: 'done', message: 'sshd now runs sshd:2, web now runs web:2' });
    expect(revisions.list().revisions[0]).toMatchObject({ number: 1, reason: 'swap web, sshd' });
  });

  it('all stay as they are when one fails, and only that one is refused', async () => {
    const { swaps, machine, revisions } = await freshDevice();
    machine.broken.set('web:2', 'unhealthy');
    const events = await allOf(swaps.swap(both('web:2', 'sshd:2')));
    expect(events.at(-1)?.message).toMatch(/^sshd runs sshd:1, web runs web:1 as before: unhealthy/);
    expect([machine.runs('web'), machine.runs('sshd')]).toEqual([imageDigest('web:1'), imageDigest('sshd:1')]);
    expect(revisions.refusal('web', specOf('web:2'))).toBeDefined();
    expect(revisions.refusal('sshd', specOf('sshd:2'))).toBeUndefined();
    expect(() => swaps.swap(both('web:2', 'sshd:2'))).toThrow(/web:2 was rolled back at/);
  });
});

describe('a change of the configuration alone', () => {
  it('makes a revision, and starts the component anew', async () => {
    const { swaps, supervisor, revisions, machine } = await freshDevice();
    const events = await allOf(swaps.swap(configure('web', { env: ['A=b'] })));
    expect(events.at(-1)).toMatchObject({ stage: 'done', message: 'web now runs web:1 with another env' });
    expect(supervisor.calls).toEqual(['stop web', 'start web:1', 'probe web:1']);
    expect(machine.up.get('web')?.spec.config.env).toEqual(['A=b']);
    expect(revisions.list().revisions[0]).toMatchObject({
      state: 'current',
      changes: [{ name: 'web', from: 'web:1', to: 'web:1', fields: ['env'] }],
    });
    await allOf(swaps.rollback({ name: 'web' }));
    expect(machine.up.get('web')?.spec.config.env).toBeUndefined();
    expect(await allOf(swaps.swap(configure('web', {})))).toMatchObject([{ message: 'web already runs web:1' }]);
  });

  it('that fails is refused, and the image is not', async () => {
    const { swaps, machine, revisions } = await freshDevice();
    machine.broken.set('web BAD=1', 'unhealthy');
    const events = await allOf(swaps.swap(configure('web', { env: ['BAD=1'] })));
    expect(events.at(-1)?.message).toMatch(/web runs web:1 with its env as before/);
    expect(machine.up.get('web')?.spec.config.env).toBeUndefined();
    expect(revisions.list().revisions.map(({ state }) => state)).toEqual(['refused', 'current']);
    expect(() => swaps.swap(configure('web', { env: ['BAD=1'] }))).toThrow(
      /this configuration of web .* was rolled back/,
    );
    expect((await allOf(swaps.swap(configure('web', { env: ['GOOD=1'] })))).at(-1)?.stage).toBe('done');
    machine.broken.clear();
    expect((await allOf(swaps.swap(configure('web', { env: ['BAD=1'] }, true)))).at(-1)?.stage).toBe('done');
    expect(revisions.list().revisions.at(-2)?.state).toBe('failed');
  });

  it('is refused before anything stops when its dependencies make no sense', async () => {
    const { swaps, supervisor, revisions } = await freshDevice();
    for (const [depends_on, reason] of [
      [['wbe'], /web depends on wbe, which is no component/],
      [['app'], /would wait for each other: app, web/],
    ] as const) {
      const events = await allOf(swaps.swap(configure('web', { depends_on: [...depends_on] })));
      expect(events.at(-1)).toMatchObject({ stage: 'failed', message: expect.stringMatching(reason) });
    }
    expect([supervisor.calls, revisions.list().revisions.length]).toEqual([[], 1]);
  });
});

describe('with overlap', () => {
  it('the new one is healthy before the old one ends', async () => {
    const { swaps, supervisor, machine } = await freshDevice();
    const events = await allOf(swaps.swap(swapTo('app', 'app:2')));
    expect(supervisor.calls).toEqual(['start app:2 beside', 'probe app:2', 'settle app new']);
    expect(events.at(-1)?.stage).toBe('done');
    expect(events.at(-1)).not.toHaveProperty('downtimeMs');
    expect([machine.runs('app'), machine.beside.size]).toEqual([imageDigest('app:2'), 0]);
  });

  it('the old one never ends when the new one fails', async () => {
    const { swaps, supervisor, machine } = await freshDevice();
    const { pid } = machine.up.get('app') ?? expect.fail();
    machine.broken.set('app:2', 'unhealthy');
    expect((await allOf(swaps.swap(swapTo('app', 'app:2')))).at(-1)?.message).toMatch(/app runs app:1 as before/);
    expect(supervisor.calls).toEqual(['start app:2 beside', 'probe app:2', 'settle app old']);
    expect([machine.up.get('app')?.pid, machine.beside.size]).toEqual([pid, 0]);
  });
});

describe('before the commit', () => {
  it('everything that depends on the new one must have been healthy for the whole window', async () => {
    const { swaps, supervisor, machine, revisions } = await freshDevice();
    const events = swaps.swap(configure('web', { swap: { stable: '1h' } }));
    for await (const { stage, message } of events.follow()) {
      if (stage !== 'stable') continue;
      expect(message).toBe('web, app must stay healthy for 3600 s');
      // The window begins with the look at all; then the engine tells that one ended, and that another came.
      await supervisor.status();
      machine.up.set('app', machine.run(machine.up.get('app')?.spec ?? expect.fail()));
      setImmediate(() => supervisor.tell('app', 'start'));
      break;
    }
    const last = (await allOf(events)).at(-1);
    expect(last?.message).toMatch(/app did not stay healthy: it was restarted/);
    expect([last?.stage, revisions.current().number]).toEqual(['failed', 0]);
    expect(revisions.list().revisions[0]?.state).toBe('refused');
  });

  it('the window is as long as whoever asks says', async () => {
    const { swaps } = await freshDevice();
    const events = await allOf(swaps.swap({ ...configure('web', { swap: { stable: '1h' } }), stable: '0s' }));
    expect(events.find(({ stage }) => stage === 'stable')?.message).toBe('web, app must stay healthy for 0 s');
    expect(events.at(-1)?.stage).toBe('done');
  });

  it('what was unhealthy before is nobody’s reason to go back', async () => {
    const { swaps, supervisor } = await freshDevice();
    supervisor.ill.set('app', 'unhealthy');
    const events = await allOf(swaps.swap(swapTo('web', 'web:2')));
    expect(events.find(({ stage }) => stage === 'stable')?.message).toMatch(/^web must stay healthy/);
    expect(events.at(-1)?.stage).toBe('done');
  });

  it('the failure of one that was unhealthy before goes back all the same, and says so', async () => {
    const { swaps, supervisor, machine } = await freshDevice();
    supervisor.ill.set('web', 'unhealthy');
    machine.broken.set('web:2', 'no start');
    const last = (await allOf(swaps.swap(swapTo('web', 'web:2')))).at(-1);
    expect(last?.message).toMatch(/web runs web:1 as before \(web was not healthy before either\): no such file/);
    expect(supervisor.calls).toEqual(['stop web', 'start web:2', 'start web:1']);
  });
});

describe('data that belong to a revision', () => {
  it('are copied while nobody uses them, and kept when going back', async () => {
    const { swaps, machine } = await freshDevice();
    expect((await allOf(swaps.swap(swapTo('store', 'store:2')))).at(-1)?.stage).toBe('done');
    expect(machine.copies).toEqual(['data fresh']);
    await allOf(swaps.rollback({ name: 'store' }));
    expect(machine.copies).toEqual(['data fresh', 'data']);
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    expect(machine.copies).toHaveLength(2);
  });
});

describe('a part of the device', () => {
  it('that takes effect at once is checked and committed', async () => {
    const { swaps, machine, revisions } = await freshDevice();
    const events = await allOf(swaps.swap(swapTo('base', 'base:2')));
    expect(stages(events)).toBe('stage apply probe stable commit done');
    expect([machine.parts.get('base')?.runs, revisions.current().number]).toEqual(['base:2', 1]);
    machine.broken.set('base:3', 'unhealthy');
    expect((await allOf(swaps.swap(swapTo('base', 'base:3')))).at(-1)?.message).toMatch(/base runs base:2 as before/);
    expect(machine.parts.get('base')?.runs).toBe('base:2');
  });

  it.each([
    ['init', 'restart-init'],
    ['kernel', 'reboot'],
  ] as const)('that needs the next process or boot (%s) goes on there', async (name, effect) => {
    const { folder, swaps, machine, supervisor, revisions } = await freshDevice();
    const restarted = restarts(machine);
    const order = { changes: [name, 'web'].map((each) => ({ name: each, image: imageOf(`${each}:7`) })), retry: false };
    const early = swaps.swap(order);
    expect(await restarted.next()).toBe(effect);
    expect([supervisor.calls, revisions.current().number]).toEqual([[], 0]);
    await allOf(early, 'restart');

    const next = await openDevice(folder, machine);
    await next.swaps.recover();
    const events = await allOf(next.swaps.latest ?? expect.fail());
    expect(stages(events)).toBe('stage apply restart probe stage stop start probe stable commit done');
    expect(machine.confirmed).toEqual([`${name}:7`]);
    expect([machine.parts.get(name)?.runs, machine.runs('web')]).toEqual([`${name}:7`, imageDigest('web:7')]);
    expect(next.revisions.current().number).toBe(1);
  });

  it.each(['init', 'kernel'])('that does not come up (%s) leaves the old one', async (name) => {
    const { folder, swaps, machine } = await freshDevice();
    const restarted = restarts(machine);
    machine.broken.set(`${name}:7`, 'no start');
    swaps.swap(swapTo(name, `${name}:7`));
    await restarted.next();
    const next = await openDevice(folder, machine);
    await next.swaps.recover();
    const events = await allOf(next.swaps.latest ?? expect.fail());
    expect(events.at(-1)).toMatchObject({ stage: 'failed', revision: 0 });
    expect(events.at(-1)?.message).toMatch(/:1 as before|:6 as before/);
    expect(() => next.swaps.swap(swapTo(name, `${name}:7`))).toThrow(/was rolled back at/);
  });

  it('that comes up but does not work is taken back through another restart', async () => {
    const { folder, swaps, machine } = await freshDevice();
    const restarted = restarts(machine);
    machine.broken.set('init:7', 'unhealthy');
    swaps.swap(swapTo('init', 'init:7'));
    await restarted.next();
    const second = await openDevice(folder, machine);
    void second.swaps.recover();
    expect(await restarted.next()).toBe('restart-init');
    const third = await openDevice(folder, machine);
    await third.swaps.recover();
    const events = await allOf(third.swaps.latest ?? expect.fail());
    expect(events.at(-1)?.message).toMatch(/^init runs init:1 as before: init:7 does not work/);
    expect([machine.parts.get('init')?.runs, third.revisions.current().number]).toEqual(['init:1', 0]);
  });
});

/** Each restart that a swap orders takes effect on the machine. */
function restarts(machine: Machine) {
  const seen: string[] = [];
  let wake: () => void = () => undefined;
  machine.onRestart = (effect) => {
    if (effect === 'reboot') machine.cutPower();
    else machine.takeEffect(effect);
    seen.push(effect);
    wake();
  };
  const next = async () => {
    while (seen.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return seen.shift();
  };
  return { next };
}

it('what came up beside the old one ends with a swap that fails before anything else was touched', async () => {
  const { swaps, machine, supervisor, revisions } = await freshDevice();
  machine.broken.set('web:2', 'cannot be made');
  machine.up.delete('web');
  const startBeside = supervisor.startBesideForSwap.bind(supervisor);
  supervisor.startBesideForSwap = async (name) => {
    await startBeside(name);
    // A person starts it just now.
    const { web } = revisions.current().revision.components;
    if (web) machine.up.set('web', machine.run(web));
  };
  const changes = ['app', 'web'].map((name) => ({ name, image: imageOf(`${name}:2`) }));
  const events = await allOf(swaps.swap({ changes, retry: false }));
  expect(events.at(-1)).toMatchObject({ stage: 'failed', message: expect.stringContaining('no program in the image') });
  expect([[...machine.beside.keys()], machine.up.get('app')?.spec.image.ref]).toEqual([[], 'app:1']);
});

describe('rollback', () => {
  it('goes to the previous revision, and forth again', async () => {
    const { swaps, revisions, machine } = await freshDevice();
    expect(() => swaps.rollback({})).toThrow(/no previous revision/);
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    await allOf(swaps.rollback({}));
    expect([machine.runs('web'), revisions.current().number]).toEqual([imageDigest('web:1'), 2]);
    expect(revisions.current().digest).toBe(revisions.get(0)?.digest);
    expect(revisions.list().revisions[0]).toMatchObject({ reason: 'rollback to 0', state: 'current' });
    await allOf(swaps.rollback({}));
    expect(machine.runs('web')).toBe(imageDigest('web:2'));
    expect(revisions.refusal('web', specOf('web:2'))).toBeUndefined();
  });

  it('brings one component back to its newest other image, and leaves the others', async () => {
    const { swaps, machine } = await freshDevice();
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    await allOf(swaps.swap(swapTo('sshd', 'sshd:2')));
    await allOf(swaps.rollback({ name: 'web' }));
    expect([machine.runs('web'), machine.runs('sshd')]).toEqual([imageDigest('web:1'), imageDigest('sshd:2')]);
  });

  it('never takes what failed, or was refused, by another name', async () => {
    const { swaps, machine } = await freshDevice();
    machine.broken.set('web:2', 'unhealthy');
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    for (const request of [{ revision: 1 }, { revision: 1, name: 'web' }])
      expect(() => swaps.rollback(request)).toThrow('revision 1 was never in force');
    expect(swaps.latest?.ended).toBe(true);
  });

  it('brings back every component that differs, as one', async () => {
    const { swaps, machine, supervisor } = await freshDevice();
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    await allOf(swaps.swap(swapTo('sshd', 'sshd:2')));
    supervisor.calls.length = 0;
    machine.broken.set('web:1', 'unhealthy');
    expect(stages(await allOf(swaps.rollback({ revision: 0 })))).toMatch(/failed$/);
    expect([machine.runs('web'), machine.runs('sshd')]).toEqual([imageDigest('web:2'), imageDigest('sshd:2')]);
    machine.broken.clear();
    expect(stages(await allOf(swaps.rollback({ revision: 0 })))).toMatch(/done$/);
    expect([machine.runs('web'), machine.runs('sshd')]).toEqual([imageDigest('web:1'), imageDigest('sshd:1')]);
    expect(() => swaps.rollback({ revision: 77 })).toThrow(/no revision 77/);
  });
});

describe('the events of the newest swap', () => {
  it('are replayed to who comes later, also after a restart', async () => {
    const { folder, swaps, machine } = await freshDevice();
    const early = allOf(swaps.swap(swapTo('web', 'web:2')));
    const events = await early;
    expect(await allOf(swaps.latest ?? expect.fail('no swap'))).toEqual(events);
    const again = await openDevice(folder, machine);
    expect(await allOf(again.swaps.latest ?? expect.fail('no swap'))).toEqual(events);
  });

  it('end for who goes away, and the swap goes on', async () => {
    const { swaps, revisions } = await freshDevice();
    const gone = new AbortController();
    const events = swaps.swap(swapTo('web', 'web:2'));
    for await (const event of events.follow(gone.signal)) if (event.stage === 'stop') gone.abort();
    await allOf(events);
    expect(revisions.current().number).toBe(1);
  });

  it('are forgotten when a flipped bit names another revision in the journal', async () => {
    const { folder, swaps, machine } = await freshDevice();
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    const path = join(folder, 'data/swap.json');
    const text = await readFile(path, 'utf8');
    expect(text).toContain('"base":0');
    await writeFile(path, text.replace('"base":0', '"base":1'));
    const again = await openDevice(folder, machine);
    expect(again.swaps.latest).toBeUndefined();
    expect(again.log.join()).toMatch(/journal of the newest swap is damaged/);
  });

  it('are forgotten, and the file kept, when the journal is damaged', async () => {
    const { folder, swaps, machine } = await freshDevice();
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    await writeFile(join(folder, 'data/swap.json'), '{"schema":1,"pha');
    const again = await openDevice(folder, machine);
    expect([again.swaps.latest, again.revisions.current().number]).toEqual([undefined, 1]);
    const [kept = ''] = await readdir(join(folder, 'data/quarantine'));
    expect(await readFile(join(folder, 'data/quarantine', kept), 'utf8')).toBe('{"schema":1,"pha');
    expect(again.log.join()).toMatch(/journal of the newest swap is damaged/);
  });
});

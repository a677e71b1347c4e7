import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../store/test-support.ts';
import { allOf, imageDigest, Machine, openDevice, swapTo } from './test-support.ts';

const stages = (events: { stage: string }[]) => events.map(({ stage }) => stage).join(' ');

async function freshDevice(options?: Parameters<typeof openDevice>[2]) {
  const folder = await temporaryFolder();
  return { folder, ...(await openDevice(folder, new Machine(), options)) };
}

describe('swap', () => {
  it('goes through its stages and puts the new revision in force', async () => {
    const { swaps, revisions, machine, supervisor } = await freshDevice();
    const events = await allOf(swaps.swap(swapTo('web', 'web:2')));
    expect(stages(events)).toBe('stage stop start probe commit done');
    expect(events.at(-1)).toMatchObject({ component: 'web', revision: 1, downtimeMs: expect.any(Number) });
    expect(supervisor.calls).toEqual(['stop web', 'start web:2', 'probe web:2']);
    expect([machine.up.get('web'), machine.up.get('sshd')]).toEqual([imageDigest('web:2'), imageDigest('sshd:1')]);
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
    ['unhealthy', 'stage stop start probe rollback rollback rollback rollback failed', /unhealthy: HTTP 500/],
    ['ends', 'stage stop start probe rollback rollback rollback failed', /last words: oh no/],
    ['no start', 'stage stop start rollback rollback rollback failed', /no such file/],
  ] as const)(
    'rolls an image back that is broken (%s), and refuses it until someone insists',
    async (fault, expected, reason) => {
      const { swaps, revisions, machine } = await freshDevice();
      machine.broken.set('web:broken', fault);
      const events = await allOf(swaps.swap(swapTo('web', 'web:broken')));
      expect(stages(events)).toBe(expected);
      expect(events.at(-1)).toMatchObject({ revision: 0, message: expect.stringMatching(reason) });
      expect(events.at(-1)?.message).toMatch(/web runs web:1 as before/);
      expect(machine.up.get('web')).toBe(imageDigest('web:1'));
      expect(revisions.list().revisions[0]).toMatchObject({
        number: 1,
        state: 'refused',
        failure: expect.stringMatching(reason),
      });

      expect(() => swaps.swap(swapTo('web', 'web:broken'))).toThrow(/was rolled back at 20.*--insist/s);
      machine.broken.clear();
      expect(stages(await allOf(swaps.swap(swapTo('web', 'web:broken', true))))).toMatch(/done$/);
      expect(revisions.refusal('web', imageDigest('web:broken'))).toBeUndefined();
    },
  );

  it('changes nothing when the image is not complete', async () => {
    const { swaps, supervisor, revisions } = await freshDevice({ missing: ['web:2'] });
    const events = await allOf(swaps.swap(swapTo('web', 'web:2')));
    expect(stages(events)).toBe('stage failed');
    expect(events.at(-1)?.message).toMatch(/nothing was changed: the image .* is not on this device/);
    expect([supervisor.calls, revisions.list().revisions.length]).toEqual([[], 1]);
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
    expect(() => swaps.swap(swapTo('kernel', 'kernel:7'))).toThrow(/kernel, which cannot be swapped yet/);
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
    expect([supervisor.calls, machine.up.get('web')]).toEqual([[], imageDigest('web:1')]);
  });
});

describe('rollback', () => {
  it('goes to the previous revision, and forth again', async () => {
    const { swaps, revisions, machine } = await freshDevice();
    expect(() => swaps.rollback({})).toThrow(/no previous revision/);
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    await allOf(swaps.rollback({}));
    expect([machine.up.get('web'), revisions.current().number]).toEqual([imageDigest('web:1'), 2]);
    expect(revisions.current().digest).toBe(revisions.get(0)?.digest);
    expect(revisions.list().revisions[0]).toMatchObject({ reason: 'rollback to 0', state: 'current' });
    await allOf(swaps.rollback({}));
    expect(machine.up.get('web')).toBe(imageDigest('web:2'));
    expect(revisions.refusal('web', imageDigest('web:2'))).toBeUndefined();
  });

  it('brings one component back to its newest other image, and leaves the others', async () => {
    const { swaps, machine } = await freshDevice();
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    await allOf(swaps.swap(swapTo('sshd', 'sshd:2')));
    await allOf(swaps.rollback({ name: 'web' }));
    expect([machine.up.get('web'), machine.up.get('sshd')]).toEqual([imageDigest('web:1'), imageDigest('sshd:2')]);
  });

  it('brings back every component that differs, as one', async () => {
    const { swaps, machine, supervisor } = await freshDevice();
    await allOf(swaps.swap(swapTo('web', 'web:2')));
    await allOf(swaps.swap(swapTo('sshd', 'sshd:2')));
    supervisor.calls.length = 0;
    machine.broken.set('web:1', 'unhealthy');
    expect(stages(await allOf(swaps.rollback({ revision: 0 })))).toMatch(/failed$/);
    expect([machine.up.get('web'), machine.up.get('sshd')]).toEqual([imageDigest('web:2'), imageDigest('sshd:2')]);
    machine.broken.clear();
    expect(stages(await allOf(swaps.rollback({ revision: 0 })))).toMatch(/done$/);
    expect([machine.up.get('web'), machine.up.get('sshd')]).toEqual([imageDigest('web:1'), imageDigest('sshd:1')]);
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

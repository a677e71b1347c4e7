import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { type ComponentSpec, componentSpecSchema } from '../../src/shared/definition/revision.ts';
import { type DrivenDevice, startDriven } from '../e2e/support/driven.ts';
import { root } from '../e2e/support/paths.ts';
import { until } from '../e2e/support/until.ts';

/** Two containers of one component at the same time, and the sockets that outlive both, with the real crun and conmon. */
const name = 'counter';
let device: DrivenDevice;
let factory: ComponentSpec;
let turn = 0;

beforeAll(async () => {
  device = await startDriven(join(root, 'test/images/counter.yml'), 'two-containers');
  const revision = JSON.parse(await device.call('GET', '/gantry/v1/revisions/0')) as { components: object };
  factory = componentSpecSchema.parse((revision.components as Record<string, unknown>)[name]);
  await device.untilIs(name, { state: 'running' });
});
afterAll(async () => {
  await device?.stop();
});

/** What the next container is to be: its name is in all that it says. */
function next(more: ComponentConfig = {}): { called: string; spec: ComponentSpec } {
  const called = `n${turn++}`;
  return { called, spec: { ...factory, config: { ...factory.config, env: [`NAME=${called}`], ...more } } };
}

async function containers(): Promise<{ Names: string[]; Id: string; State: string }[]> {
  return JSON.parse(await device.call('GET', '/containers/json?all=1'));
}

const pidOf = async (reference: string): Promise<number> =>
  JSON.parse(await device.call('GET', `/containers/${reference}/json`)).State.Pid;

/** All that the component ever said, older files first. */
function logLines(): string[] {
  const file = device.path(`/var/lib/gantry/logs/${name}.log`);
  const files = [`${file}.2`, `${file}.1`, file].filter((path) => existsSync(path));
  const lines = files.flatMap((path) => readFileSync(path, 'utf8').split('\n').filter(Boolean));
  return lines.map((line) => line.replace(/^\S+ \S+ \S /, ''));
}

const says = (called: string) =>
  until(`${called} to count`, 20, async () => logLines().some((line) => line.startsWith(`${called} 3 `)));

/** Of each container's lines none is missing, torn or mixed with another's. */
function expectWholeLog(): void {
  const counts = new Map<string, number>();
  for (const line of logLines()) {
    const counted = /^(\w+) (\d+) of many, a line that is long enough to be torn$/.exec(line);
    if (!counted) {
      expect(line).toMatch(/^\w+ (bye|has .*)$/);
      continue;
    }
    const [, called = '', number] = counted;
    // The factory's is started again and again under the same name.
    if (number !== '0' || called !== 'first')
      expect(`${called} ${number}`).toBe(`${called} ${counts.get(called) ?? 0}`);
    counts.set(called, Number(number) + 1);
  }
  expect(counts.size).toBeGreaterThan(0);
}

describe('two containers', () => {
  it('run beside each other until it is settled which one stays', async () => {
    const { called, spec } = next();
    const before = await device.component(name);
    // After a rotation conmon does not append any more: the newcomer's lines would be written over.
    const log = device.path(`/var/lib/gantry/logs/${name}.log`);
    renameSync(log, `${log}.1`);
    writeFileSync(device.path(`/run/gantry/containers/${name}/ctl`), '2 0 0\n');
    await until('a new log', 20, async () => existsSync(log));
    await device.drive('setSpec', name, { spec });
    await device.drive('startBesideForSwap', name);
    await device.drive('waitHealthy', name);
    const status = await device.component(name);
    expect(status).toMatchObject({ beside: true, state: 'running' });
    expect(status.pid).not.toBe(before.pid);
    expect(await pidOf(name)).toBe(before.pid);
    expect(await pidOf(`${name}.new`)).toBe(status.pid);
    const listed = await containers();
    expect(listed.map(({ Names, State }) => `${Names} ${State}`)).toEqual([`/${name} running`, `/${name}.new running`]);
    expect(new Set(listed.map(({ Id }) => Id)).size).toBe(2);
    await expect(device.call('POST', `/containers/${name}.new/stop`)).rejects.toThrow('409');
    await says(called);

    await device.drive('settleForSwap', name, { keep: 'new' });
    expect(await containers()).toHaveLength(1);
    expect(await device.component(name)).toMatchObject({ pid: status.pid, state: 'running' });
    expect((await device.component(name)).beside).toBeUndefined();
    expectWholeLog();
    expect(logLines()).toContain('first bye');
  });

  it('leave the old one in force when the new one is not wanted', async () => {
    const old = await device.component(name);
    const { spec } = next();
    await device.drive('setSpec', name, { spec });
    await device.drive('startBesideForSwap', name);
    await device.drive('settleForSwap', name, { keep: 'old' });
    expect(await containers()).toHaveLength(1);
    expect(await device.component(name)).toMatchObject({ pid: old.pid, restarts: old.restarts });
  });

  it('have each the files of its own configuration', async () => {
    const which = (pid = 0) => readFileSync(`/proc/${device.pidHere(pid)}/root/etc/which`, 'utf8');
    const filed = (contents: string) => next({ files: [{ path: '/etc/which', contents }] }).spec;
    await device.drive('setSpec', name, { spec: filed('old') });
    await device.drive('startForSwap', name);
    const old = await device.component(name);
    await device.drive('setSpec', name, { spec: filed('new') });
    await device.drive('startBesideForSwap', name);
    expect([which(old.pid), which((await device.component(name)).pid)]).toEqual(['old', 'new']);
    await device.drive('settleForSwap', name, { keep: 'old' });
    expect(which(old.pid)).toBe('old');
  });

  it('are one when the new one cannot be started', async () => {
    const old = await device.component(name);
    const { spec } = next({ command: ['/no/such/program'] });
    await device.drive('setSpec', name, { spec });
    await expect(device.drive('startBesideForSwap', name)).rejects.toThrow('cannot be started');
    expect(await containers()).toHaveLength(1);
    expect(await device.component(name)).toMatchObject({ pid: old.pid, state: 'running' });
  });

  it('are both found again after kill -9, and the one of the current revision stays', async () => {
    // The revision in force is the factory's; what runs now is not from it.
    await device.killInit();
    await says('first');
    const old = await device.component(name);
    const { spec } = next();
    await device.drive('setSpec', name, { spec });
    await device.drive('startBesideForSwap', name);
    await device.killInit();
    await until('one container to be left', 20, async () => (await containers()).length === 1);
    expect(await device.component(name)).toMatchObject({ pid: old.pid, state: 'running' });
    expect(device.journal()).toContain('two containers run; keeping the old one');
    expectWholeLog();
  });

  it('keeps the new one after kill -9 when that is what the current revision says', async () => {
    const { spec } = next();
    await device.drive('setSpec', name, { spec });
    await device.drive('startForSwap', name);
    await device.drive('setSpec', name, { spec: factory });
    await device.drive('startBesideForSwap', name);
    const { pid } = await device.component(name);
    await device.killInit();
    await until('one container to be left', 20, async () => (await containers()).length === 1);
    expect(await device.component(name)).toMatchObject({ pid, state: 'running' });
  });

  it('a prepared container is let run by the next start, and is gone after kill -9', async () => {
    const old = await device.component(name);
    const { called, spec } = next();
    // Which of the two names it gets can be told while there is one container only.
    await until('one container', 20, async () => leftovers().containers === 1);
    const prepared = spare();
    await device.drive('prepareForSwap', name, { spec });
    expect(await device.component(name)).toMatchObject({ pid: old.pid });
    const created = readFileSync(device.path(`/run/gantry/containers/${prepared}/pid`), 'utf8').trim();
    await device.drive('setSpec', name, { spec });
    await device.drive('startForSwap', name);
    expect(String((await device.component(name)).pid)).toBe(created);
    await says(called);
    await device.drive('prepareForSwap', name, { spec: next().spec });
    await device.killInit();
    await until('no container to be left over', 20, async () => leftovers().containers === 1);
  });

  it('of which the new one fails while the old one takes its time to end: it is started again all the same', async () => {
    const holds = device.path('/run/hold');
    const fails = device.path('/run/fail');
    const binds = ['/run:/run'];
    // Says nothing: what is said is counted elsewhere.
    const slow = [
      'sh',
      '-c',
      "trap 'while [ -e /run/hold ]; do usleep 20000; done; exit 0' TERM; while :; do usleep 20000; done",
    ];
    const old = next({ binds, command: slow, stop_grace_period: '60s' });
    await device.drive('setSpec', name, { spec: old.spec });
    await device.drive('startForSwap', name);
    const fragile = ['sh', '-c', 'while [ ! -e /run/fail ]; do usleep 20000; done; exit 1'];
    await device.drive('setSpec', name, { spec: next({ binds, command: fragile }).spec });
    await device.drive('startBesideForSwap', name);
    writeFileSync(holds, '');
    const settled = device.drive('settleForSwap', name, { keep: 'new' });
    await until('the old one to be asked to end', 20, async () =>
      (await containers()).some(({ Names }) => Names[0] === `/${name}.new`),
    );
    writeFileSync(fails, '');
    const { restarts } = await until('the new one to wait for its third start', 20, async () => {
      const status = await device.component(name);
      return status.restarts >= 2 && status.state === 'waiting' && status;
    });
    rmSync(fails);
    rmSync(holds);
    await settled;
    const status = await device.untilIs(name, { state: 'running' });
    expect(status.beside).toBeUndefined();
    expect(status.restarts).toBeGreaterThan(restarts);
    await device.drive('setSpec', name, { spec: factory });
    await device.drive('startForSwap', name);
  });

  it('take no room from the device for what they write, and leave nothing of it, however deep it is', async () => {
    const free = () => statfsSync(device.path('/run/gantry')).bfree;
    const before = free();
    // Deeper than the kernel takes a path as a whole.
    const write = [
      'd=$(printf %0200d 0)',
      'for turn in $(seq 30); do mkdir $d && cd -P $d || exit 1; done',
      'dd if=/dev/zero of=/fill bs=1M count=16 2>/dev/null',
      'echo "$NAME has written"',
      'exec sleep 100000',
    ].join('\n');
    const { called, spec } = next({ readonly: false, command: ['sh', '-c', write] });
    await device.drive('setSpec', name, { spec });
    await device.drive('startForSwap', name);
    await until('it to have written', 30, async () => logLines().includes(`${called} has written`));
    // 16 MiB are 4096 blocks.
    expect(before - free()).toBeLessThan(1000);
    await device.drive('setSpec', name, { spec: factory });
    await device.drive('startForSwap', name);
    await until('what it wrote to be gone', 20, async () => leftovers().containers === 1);
  });

  it('leave nothing behind of one that cannot be made ahead of time', async () => {
    await until('one container', 20, async () => leftovers().containers === 1);
    const before = leftovers();
    const { spec } = next({ command: ['/no/such/program'] });
    await expect(device.drive('prepareForSwap', name, { spec })).rejects.toThrow('/no/such/program');
    expect(leftovers()).toMatchObject({ containers: 1, mounts: before.mounts, cgroups: before.cgroups });
  });

  it('leave nothing behind, however often', async () => {
    const settle = () => until('what was replaced to be gone', 20, async () => leftovers().containers === 1);
    const once = async (keep: 'old' | 'new') => {
      const { called, spec } = next();
      await device.drive('setSpec', name, { spec });
      await device.drive('startBesideForSwap', name);
      await says(called);
      await device.drive('settleForSwap', name, { keep });
    };
    await once('new');
    await once('new');
    await settle();
    const before = leftovers();
    for (const keep of ['new', 'old', 'new', 'new', 'old', 'new'] as const) await once(keep);
    await until('everything to be as before', 20, async () => expect(leftovers()).toEqual(before));
    expectWholeLog();
  });

  // The last one: it starts a container again under the same name, as the log then shows.
  it('do not forget how often the component was restarted', async () => {
    const before = await device.component(name);
    process.kill(device.pidHere(before.pid ?? 0), 'SIGKILL');
    await device.untilIs(name, { state: 'running', restarts: before.restarts + 1 });
    const { spec } = next();
    await device.drive('setSpec', name, { spec });
    await device.drive('startBesideForSwap', name);
    await device.drive('settleForSwap', name, { keep: 'new' });
    expect(await device.component(name)).toMatchObject({ restarts: before.restarts + 1 });
  });
});

describe('sockets that the device holds', () => {
  beforeEach(async () => {
    await device.drive('setSpec', name, { spec: factory });
    await device.drive('startForSwap', name);
    await until('its first words', 20, async () => given().length > 0);
  });

  it('are passed as sd_listen_fds says, and are the same ones ever after', async () => {
    const told = logLines().filter((line) => line.includes('sockets for'));
    expect(new Set(told.map((line) => line.replace(/^\w+ /, ''))).size).toBe(1);
    expect(told.at(-1)).toMatch(
      /has 3 sockets for 1, is 1: 3 -> socket:\[\d+\] 4 -> socket:\[\d+\] 5 -> socket:\[\d+\] /,
    );
    expect(holders()).toHaveLength(3);
  });

  it('stay open while the component is stopped and the init container is killed', async () => {
    const before = given();
    await device.call('POST', `/containers/${name}/stop`);
    expect(held()).toEqual(before);
    await device.killInit();
    expect(held()).toEqual(before);
    await device.call('POST', `/containers/${name}/start`);
    await until('it to be given them', 20, async () => expect(given()).toEqual(before));
    expect(holders()).toHaveLength(3);
  });

  it('are closed when nobody lists them any more', async () => {
    const { spec } = next({ listen: ['127.0.0.1:7001'] });
    await device.drive('setSpec', name, { spec });
    await device.drive('startForSwap', name);
    expect(holders()).toHaveLength(1);
    const none = next({ listen: [] });
    await device.drive('setSpec', name, { spec: none.spec });
    await device.drive('startForSwap', name);
    expect(holders()).toHaveLength(0);
    await says(none.called);
    expect(logLines().at(-1)).not.toContain('socket:');
  });
});

/** The sockets of the counter's first process, as their inodes. */
function given(): string[] {
  const pid = device.pidHere(Number(readFileSync(device.path(`/run/gantry/containers/${inForce()}/pid`), 'utf8')));
  return socketsOf(pid, [3, 4, 5]);
}

/** Those of the processes that hold them. */
const held = () => holders().flatMap((pid) => socketsOf(pid, [3]));

/** As this machine numbers them: the kernel tells whoever reads. */
function holders(): number[] {
  const text = readFileSync(device.path('/sys/fs/cgroup/gantry/sockets/cgroup.procs'), 'utf8');
  return text.split('\n').filter(Boolean).map(Number);
}

function socketsOf(pid: number, descriptors: number[]): string[] {
  return descriptors.flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${descriptor}`)];
    } catch {
      return [];
    }
  });
}

const inForce = () => readdirSync(device.path('/run/gantry/containers'))[0] ?? '';
const spare = () => (inForce() === name ? `${name}.2` : name);

/** What a container that was not cleared away would leave. */
function leftovers(): Record<string, number> {
  const mounts = readFileSync(device.path('/proc/1/mounts'), 'utf8');
  const init = device.pidHere(Number(readFileSync(device.path('/run/gantry/init.ready'), 'utf8')));
  return {
    containers: readdirSync(device.path('/run/gantry/containers')).length,
    crun: readdirSync(device.path('/run/crun')).length,
    mounts: mounts.split('\n').length,
    cgroups: readdirSync(device.path('/sys/fs/cgroup/gantry/containers')).filter((one) => one.startsWith(name)).length,
    exits: readdirSync(device.path('/run/gantry/exits')).length,
    processes: readdirSync(device.path('/proc')).filter((one) => /^\d+$/.test(one)).length,
    descriptors: readdirSync(`/proc/${init}/fd`).length,
  };
}

import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NativeDevice, startNative } from '../e2e/support/native.ts';
import { root } from '../e2e/support/paths.ts';
import { until } from '../e2e/support/until.ts';
import { armFaults } from '../killed/moments.ts';

const definition = (name: string) => join(root, `test/e2e/supervision/${name}.yml`);

/** The life of containers under real crun and conmon, on this machine's kernel. */
describe('system containers', () => {
  let device: NativeDevice;
  beforeAll(async () => {
    device = await startNative(definition('life'), 'life');
  });
  afterAll(() => device?.stop());

  const act = (name: string, action: string) => device.call('POST', `/containers/${name}/${action}`);
  const state = (name: string) =>
    JSON.parse(readFileSync(device.path(`/run/gantry/containers/${name}/state.json`), 'utf8'));

  it('runs onboot components in order, again as their policy says, and goes on without what may fail', async () => {
    expect(await device.untilIs('once', { state: 'exited' })).toMatchObject({ exitCode: 0, restarts: 2 });
    expect(await device.untilIs('optional', { state: 'failed' })).toMatchObject({ detail: 'failed: exit code 7' });
    expect(device.journal()).toContain('optional has failed: exit code 7; the boot goes on without it');
    await device.untilIs('quiet', { state: 'running' });
  });

  it('gives up where the policy says so, and tells those who wait for it in vain', async () => {
    const failing = await device.untilIs('failing', { state: 'failed' });
    expect(failing).toMatchObject({ exitCode: 3, restarts: 2, detail: 'failed after 2 restarts: exit code 3' });
    const { detail, state: waiting } = await device.component('after-failing');
    expect(waiting).toBe('waiting');
    expect(detail).toMatch(/failing \(completed_successfully\), which has failed after 2 restarts: exit code 3/);
  });

  it('hears READY=1 that was said while there was no init container, and keeps it', async () => {
    await device.untilIs('ready', { state: 'running', health: 'starting' });
    await device.untilIs('after-ready', { state: 'waiting' });
    await act('ready', 'kill?signal=USR2');
    await until('the status to be heard', 10, async () => /warming up/.test(await healthOf(device, 'ready')));
    const { pid } = (await device.info()).init;
    const launcher = parentOf(device.pidHere(pid));
    const program = device.pidHere((await device.component('ready')).pid ?? 0);
    // Stopped, the launcher does not start the next one: nobody is there to hear.
    process.kill(launcher, 'SIGSTOP');
    process.kill(device.pidHere(pid), 'SIGKILL');
    process.kill(program, 'SIGUSR1');
    await until('socat to have sent it', 10, async () =>
      childrenOf(program).every((child) => commandOf(child) !== 'socat'),
    );
    process.kill(launcher, 'SIGCONT');
    await device.untilIs('ready', { health: 'healthy' });
    await device.untilIs('after-ready', { state: 'running' });
    await device.killInit();
    expect(await device.component('ready')).toMatchObject({ state: 'running', health: 'healthy' });
  });

  it('loses no line of what a container says before it ends, neither when stopped nor when it fails at once', async () => {
    await device.untilIs('talker', { state: 'running' });
    await until('talker to be up', 10, async () => (await device.log('talker')).includes('up'));
    for (let round = 1; round <= 2; round++) {
      await act('talker', 'stop');
      const lines = await device.log('talker');
      expect(lines.slice(-3000)).toEqual(Array.from({ length: 3000 }, (_, index) => String(index + 1)));
      await act('talker', 'start');
      await until('talker to be up', 10, async () => (await device.log('talker')).at(-1) === 'up');
    }
    for (let round = 0; round < 5; round++) {
      await act('brief', 'start');
      await device.untilIs('brief', { state: 'failed' });
      const { State } = JSON.parse(await device.call('GET', '/containers/brief/json'));
      expect(await device.log('brief', `&since=${encodeURIComponent(State.StartedAt)}`)).toEqual(['because']);
    }
  });

  it('goes on where it was with a pending restart and its count of failures', async () => {
    await until('crashing to wait after three failures', 30, async () => {
      const { failures, restartAtMs } = state('crashing');
      return failures >= 3 && restartAtMs !== undefined;
    });
    const before = state('crashing');
    await device.killInit();
    const after = state('crashing');
    expect(after.failures).toBeGreaterThanOrEqual(before.failures);
    // Not started since: the same wait, neither shorter nor begun again.
    if (after.startedAtMs === before.startedAtMs && !after.starting) expect(after.restartAtMs).toBe(before.restartAtMs);
    await until('crashing to be started again', 30, async () => state('crashing').startedAtMs > before.startedAtMs);
    // A timer may be a millisecond early.
    expect(state('crashing').startedAtMs).toBeGreaterThanOrEqual(before.restartAtMs - 2);
    await act('crashing', 'stop');
    await device.killInit();
    expect(await device.component('crashing')).toMatchObject({ state: 'exited' });
    expect(state('crashing')).toMatchObject({ wish: 'stop' });
  });

  it('remembers over reboots what a person stopped', async () => {
    const kept = () => JSON.parse(readFileSync(device.path('/var/lib/gantry/stopped.json'), 'utf8'));
    await act('kept-down', 'stop');
    expect(kept()).toContain('kept-down');
    await act('kept-down', 'start');
    expect(kept()).not.toContain('kept-down');
  });

  it('ends a container whose conmon was killed, and starts it again', async () => {
    const { pid } = await device.untilIs('quiet', { state: 'running' });
    process.kill(device.pidHere(state('quiet').conmon.pid), 'SIGKILL');
    await device.killInit();
    await until('quiet to run again', 30, async () => {
      const quiet = await device.component('quiet');
      return quiet.state === 'running' && quiet.pid !== pid;
    });
    expect(device.journal()).toMatch(/quiet: its conmon \(PID \d+\) is gone/);
  });

  it('does not take another process of the same number for its own', async () => {
    const { pid } = await device.untilIs('quiet', { state: 'running' });
    const path = device.path('/run/gantry/containers/quiet/state.json');
    const launcher = parentOf(device.pidHere((await device.info()).init.pid));
    process.kill(launcher, 'SIGSTOP');
    process.kill(device.pidHere((await device.info()).init.pid), 'SIGKILL');
    // As if the container had ended meanwhile and the kernel had given its number to somebody else.
    process.kill(device.pidHere(pid ?? 0), 'SIGKILL');
    await until('conmon to have noticed', 10, async () => existsSync(device.path('/run/gantry/exits/quiet')));
    const other = state('quiet');
    const { pid: alive } = state('talker').process;
    writeFileSync(path, JSON.stringify({ ...other, process: { ...other.process, pid: alive } }));
    process.kill(launcher, 'SIGCONT');
    await until('quiet to run again', 30, async () => {
      const quiet = await device.component('quiet');
      return quiet.state === 'running' && quiet.pid !== pid && quiet.pid !== alive;
    });
    expect((await device.component('talker')).pid).toBe(alive);
  });

  it('forgets no READY=1 when it is killed on hearing it', async () => {
    await armFaults(device);
    await act('ready', 'restart');
    await device.untilIs('ready', { state: 'running', health: 'starting' });
    const { pid } = (await device.info()).init;
    const order = { action: 'kill', point: 'before ready state.json', nth: 1 };
    writeFileSync(device.path('/run/gantry/faults'), JSON.stringify(order));
    await act('ready', 'kill?signal=USR1');
    await until('the next init container', 90, async () => (await device.info()).init.pid !== pid);
    await device.untilIs('ready', { health: 'healthy' });
  });

  it('ends all of a container that shares the processes of the device', async () => {
    await device.untilIs('shared', { state: 'running' });
    const cgroup = device.path('/sys/fs/cgroup/gantry/containers/shared');
    await until('its second process', 10, async () => linesOf(`${cgroup}/cgroup.procs`) > 1);
    await act('shared', 'stop');
    await until('both to be gone', 20, async () => !existsSync(cgroup));
  });

  it('is not held up by what a health check leaves running', async () => {
    await device.untilIs('checked', { health: 'healthy' });
  });

  it('gives up an init container on trial that hangs, and the watchdog is fed until then', async () => {
    // The launcher as it is, with less patience and a watchdog that is a file.
    const path = device.path('/usr/lib/gantry/launcher');
    const launcher = readFileSync(path, 'utf8');
    const shortened = launcher
      .replace('ready_limit=120', 'ready_limit=13')
      .replace('/sys/class/watchdog/watchdog0/state', '/run/watchdog-state')
      .replace('>/dev/watchdog0', '>>/run/watchdog');
    writeFileSync(path, shortened);
    writeFileSync(device.path('/run/watchdog-state'), 'active\n');
    // The one that runs was started by the launcher as it was.
    await device.killInit();
    const { image, init } = await device.info();
    const state = device.path(`/var/lib/gantry/init/${image.id}`);
    mkdirSync(`${state}/images/abc`, { recursive: true });
    copyFileSync(device.path('/gantry/init/lower'), `${state}/images/abc/lower`);
    const hangs = '#!/bin/sh\necho waiting for nothing\nexec sleep 1000\n';
    writeFileSync(`${state}/images/abc/start`, hangs, { mode: 0o755 });
    writeFileSync(`${state}/trial`, 'abc\n');
    process.kill(device.pidHere(init.pid), 'SIGKILL');
    await until('the one before', 120, async () => (await device.info()).init.pid !== init.pid);
    const why = readFileSync(`${state}/failed`, 'utf8');
    expect(why).toMatch(/^abc\nit did not answer within 13 s; its last words: waiting for nothing/);
    // Every 5 s.
    expect(readFileSync(device.path('/run/watchdog'), 'utf8').length).toBeGreaterThanOrEqual(2);
    writeFileSync(path, launcher);
  });

  describe('kill -9 of the init container in the middle of', () => {
    beforeAll(() => {
      renameSync(device.path('/usr/bin/crun'), device.path('/usr/bin/crun.real'));
      writeFileSync(device.path('/usr/bin/crun'), killingCrun, { mode: 0o755 });
    });
    afterAll(() => renameSync(device.path('/usr/bin/crun.real'), device.path('/usr/bin/crun')));

    const points = ['delete', 'create', 'start'].flatMap((command) => [`${command} before`, `${command} after`]);
    const ups = async () => (await device.log('talker')).filter((line) => line === 'up').length;
    const untilKilled = (pid: number) =>
      until('the next init container', 30, async () => (await device.info()).init.pid !== pid);

    it.each(points)('a start (%s): it runs, and was started once', async (point) => {
      await act('talker', 'stop');
      const [before, { pid }] = [await ups(), (await device.info()).init];
      writeFileSync(device.path('/run/kill-at'), point);
      await expect(act('talker', 'start')).rejects.toThrow();
      await untilKilled(pid);
      const running = await device.untilIs('talker', { state: 'running' });
      await until('it to be up', 10, async () => (await ups()) > before);
      expect(await ups()).toBe(before + 1);
      await device.killInit();
      expect(await device.component('talker')).toMatchObject({ state: 'running', pid: running.pid });
    });

    it.each(points)('a restart (%s): the new one runs', async (point) => {
      const [{ pid: old }, { pid }] = [
        await device.untilIs('talker', { state: 'running' }),
        (await device.info()).init,
      ];
      writeFileSync(device.path('/run/kill-at'), point);
      await expect(act('talker', 'restart')).rejects.toThrow();
      await untilKilled(pid);
      const running = await device.untilIs('talker', { state: 'running' });
      expect(running.pid).not.toBe(old);
      expect(() => device.pidHere(old ?? 0)).toThrow('no process');
    });

    it('a start, and its conmon hangs: what that one still says is not taken for the end of the next', async () => {
      await act('talker', 'stop');
      const { pid } = (await device.info()).init;
      writeFileSync(device.path('/run/kill-at'), 'create after, conmon stopped');
      await expect(act('talker', 'start')).rejects.toThrow();
      await untilKilled(pid);
      const running = await device.untilIs('talker', { state: 'running' });
      const conmon = Number(readFileSync(device.path('/run/stopped-conmon'), 'utf8'));
      const isThere = () => {
        try {
          return device.pidHere(conmon);
        } catch {
          return undefined;
        }
      };
      const stopped = isThere();
      if (stopped !== undefined) process.kill(stopped, 'SIGCONT');
      await until('the old conmon to be gone', 20, async () => isThere() === undefined);
      expect(existsSync(device.path('/run/gantry/exits/talker'))).toBe(false);
      expect(await device.component('talker')).toMatchObject({ state: 'running', pid: running.pid });
    });

    it('a stop: it is stopped', async () => {
      await device.untilIs('stopper', { state: 'running' });
      const { pid } = (await device.info()).init;
      writeFileSync(device.path('/run/kill-at-stop'), '');
      await expect(act('stopper', 'stop')).rejects.toThrow();
      await untilKilled(pid);
      await device.untilIs('stopper', { state: 'exited' });
      await device.killInit();
      expect(await device.component('stopper')).toMatchObject({ state: 'exited' });
      expect(state('stopper')).toMatchObject({ wish: 'stop' });
    });
  });
});

/** crun that ends the init container before or after one of its commands for `talker`, once. */
const killingCrun = `#!/bin/sh
for last; do :; done
command=
for word; do case "$word" in create | start | delete) command=$word && break ;; esac; done
point=$(cat /run/kill-at 2>/dev/null)
end_init() { rm /run/kill-at; kill -9 $(cat /run/gantry/init.ready); }
[ "$last" = talker ] && [ "$point" = "$command before" ] && end_init
/usr/bin/crun.real "$@"
code=$?
[ "$last" = talker ] && [ "$point" = "$command after" ] && end_init
if [ "$last" = talker ] && [ "$point" = "$command after, conmon stopped" ]; then
	cp /run/gantry/containers/talker/conmon.pid /run/stopped-conmon
	kill -STOP $(cat /run/stopped-conmon)
	end_init
fi
exit $code
`;

describe('a boot that stops', () => {
  let device: NativeDevice;
  beforeAll(async () => {
    device = await startNative(definition('rescue'), 'rescue');
  });
  afterAll(() => device?.stop());

  it('stops at the failed component, says why, and goes on when it has run well', async () => {
    const start = () => device.call('POST', '/containers/broken/start');
    await device.untilIs('quiet', { state: 'waiting' });
    expect(await device.component('first')).toMatchObject({ state: 'exited', exitCode: 0 });
    expect(await device.component('broken')).toMatchObject({ state: 'failed', detail: 'failed: exit code 4' });
    const why = 'the boot has stopped at broken, which failed';
    expect(await device.component('later')).toMatchObject({ state: 'waiting', detail: why });
    await until('the reason', 10, async () => device.journal().includes('broken: there is no /run/fixed'));

    await device.killInit();
    await device.untilIs('quiet', { state: 'waiting', detail: why });
    await start();
    await until('a second try', 10, async () => (await device.log('broken')).length === 2);
    await device.untilIs('broken', { state: 'failed' });
    expect(await device.component('later')).toMatchObject({ state: 'waiting', detail: why });

    writeFileSync(device.path('/run/fixed'), '');
    await start();
    await device.untilIs('later', { state: 'exited', exitCode: 0 });
    await device.untilIs('quiet', { state: 'running' });
    await device.killInit();
    expect(await device.component('quiet')).toMatchObject({ state: 'running' });
  });
});

it('restarts the device, in order, when a component says so and has failed for good', async () => {
  const device = await startNative(definition('doomed'), 'doomed');
  try {
    const reason = 'doomed has failed after 1 restart: exit code 9: restarting the device, as its on_failure says';
    await until('the device to restart', 30, async () => device.journal().includes(reason));
    await device.untilIs('quiet', { state: 'exited' });
    await until('PID 1 to be asked', 30, async () =>
      device.journal().includes('reboot: stopping the system containers'),
    );
  } finally {
    await device.stop();
  }
});

it('starts nothing more when it is to go down in the middle of its boot', async () => {
  const device = await startNative(definition('poweroff'), 'poweroff');
  try {
    await device.untilIs('first', { state: 'running' });
    await device.call('POST', '/gantry/v1/power', { action: 'reboot' });
    await device.untilIs('farewell', { state: 'exited', exitCode: 0 });
    expect(await device.component('first')).toMatchObject({ state: 'exited', exitCode: 0 });
    expect(existsSync(device.path('/run/second-ran'))).toBe(false);
    expect(await device.component('second')).toMatchObject({ state: 'created' });
  } finally {
    await device.stop();
  }
});

async function healthOf(device: NativeDevice, name: string): Promise<string> {
  return JSON.stringify(JSON.parse(await device.call('GET', `/containers/${name}/json`)).State.Health);
}

const parentOf = (pid: number) => Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').filter(Boolean).length;

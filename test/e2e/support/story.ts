import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComponentStatus, RevisionList, SwapEvent } from '../../../src/shared/api/types.ts';
import type { Arch } from '../../../src/shared/oci/types.ts';
import { gantry, gantryJson, gantryOk, start } from './gantry.ts';
import { boot, type Machine, type Via } from './machine.ts';
import { until } from './until.ts';

/**
 * What a person does to a device, on one booted machine, told through the command line alone: over SSH and over a serial
 * line without any network card it works the same. `length`: all of it, or what says that this pair works at all.
 */
export function deviceStory(arch: Arch, via: Via, length: 'whole' | 'short'): void {
  const itInWhole = (name: string, work: () => Promise<void>): void => {
    if (length === 'whole') it(name, work);
  };
  describe(`${arch} over ${via}`, () => {
    let machine: Machine;
    const on = (...args: string[]) => ['-d', machine.target, ...args];
    /** The page, asked on the device itself: works without a network too. */
    const page = () => gantryOk(...on('exec', 'web', 'wget', '-q', '-O', '-', 'http://127.0.0.1/'));
    const swap = async (tag: string, ...more: string[]) => {
      const outcome = await gantry(...on('swap', 'web', machine.web(tag), '--json', ...more));
      const events = outcome.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as SwapEvent);
      return { ...outcome, events, stages: [...new Set(events.map((event) => event.stage))] };
    };

    beforeAll(async () => {
      machine = await boot(arch, via, { name: `e2e-${arch}-${via}`, data: via === 'ssh', cpus: 2 });
      await machine.untilHealthy();
    });
    afterAll(async () => machine?.stop());

    it('lists every component with its image, state and health', async () => {
      const all = await gantryJson<ComponentStatus[]>(...on('ps', '-a'));
      expect(all.map((c) => c.name).sort()).toEqual(['base', 'dhcp', 'init', 'kernel', 'mosquitto', 'sshd', 'web']);
      const web = all.find((c) => c.name === 'web');
      expect(web).toMatchObject({ image: 'web:1', state: 'running', health: 'healthy', restarts: 0 });
      expect(web?.memoryBytes).toBeGreaterThan(0);
      const table = await gantryOk(...on('ps'));
      for (const name of ['web', 'mosquitto', 'sshd', 'dhcp']) expect(table).toContain(name);
    });

    it('shows and follows logs', async () => {
      expect(await gantryOk(...on('logs', 'mosquitto'))).toContain('mosquitto version');
      // The health check is a request too: what follows the log sees it without anybody's doing.
      const following = start(on('logs', '-f', '--tail', '0', 'web'));
      let seen = '';
      following.stdout?.on('data', (chunk) => {
        seen += chunk;
      });
      await until('a request to be logged', 60, async () => seen.includes('"GET /health HTTP/1.1" 200'));
      following.kill('SIGINT');
      await following;
    });

    itInWhole('restarts, stops and starts', async () => {
      const before = await machine.component('mosquitto');
      await gantryOk(...on('restart', 'mosquitto'));
      const after = await until('mosquitto to be healthy', 30, async () => {
        const now = await machine.component('mosquitto');
        return now.health === 'healthy' && now;
      });
      expect(after.pid).not.toBe(before.pid);
      await gantryOk(...on('stop', 'mosquitto'));
      expect((await machine.component('mosquitto')).state).toBe('exited');
      await gantryOk(...on('start', 'mosquitto'));
      await machine.untilHealthy();
    });

    it('runs commands in a container and on the device, with their exit codes', async () => {
      expect(await gantryOk(...on('exec', 'web', 'cat', '/srv/www/health'))).toBe('ok');
      expect(await gantry(...on('exec', 'web', 'sh', '-c', 'echo out; echo err >&2; exit 7'))).toMatchObject({
        code: 7,
        stdout: 'out',
        stderr: 'err',
      });
      expect(await gantryOk(...on('sh', '-c', 'cat /proc/1/comm'))).toBe('busybox');
      const inspected = await gantryJson<{ Name: string; State: { Running: boolean } }>(...on('inspect', 'web'));
      expect(inspected).toMatchObject({ Name: '/web', State: { Running: true } });
    });

    itInWhole('answers a mistyped name with the nearest one', async () => {
      const outcome = await gantry(...on('restart', 'wbe'));
      expect(outcome.code).not.toBe(0);
      expect(outcome.stderr).toContain('web');
    });

    it('swaps web for another image: the page changes, and nothing else is touched', async () => {
      expect(await page()).toContain('version 1');
      const before = await machine.components();
      const { code, stages, stderr } = await swap('2');
      expect(stderr).not.toContain('rolled back');
      expect(code).toBe(0);
      expect(stages).toEqual(['stage', 'stop', 'start', 'probe', 'stable', 'commit', 'done']);
      expect(await page()).toContain('version 2');
      if (via === 'ssh') expect(await machine.page()).toContain('version 2');
      const after = await machine.components();
      expect(after.find((c) => c.name === 'web')).toMatchObject({ image: 'web:2', health: 'healthy' });
      for (const { name, pid } of before.filter((c) => c.name !== 'web')) {
        expect(after.find((c) => c.name === name)?.pid, name).toBe(pid);
      }
    });

    itInWhole('rolls back by itself when the new one never becomes healthy, and remembers', async () => {
      const { code, events } = await swap('broken');
      expect(code).toBe(4);
      expect(events.map((event) => event.stage)).toContain('rollback');
      expect(events.at(-1)?.stage).toBe('failed');
      expect(await page()).toContain('version 2');
      const again = await swap('broken');
      expect(again.code).not.toBe(0);
      expect(again.stderr).toMatch(/--retry/);
    });

    it('rolls back by hand', async () => {
      await gantryOk(...on('rollback', 'web'));
      expect(await page()).toContain('version 1');
      const { current, revisions } = await gantryJson<RevisionList>(...on('revisions'));
      expect(revisions.find((revision) => revision.number === current)).toMatchObject({ state: 'current' });
    });

    itInWhole('keeps every container when the init container is killed', async () => {
      const before = await machine.components();
      const init = before.find((c) => c.name === 'init');
      await gantry(...on('sh', '-c', `kill -9 ${init?.pid}`));
      const after = await until('the init container to be back', 60, async () => {
        const all = await machine.components();
        return all.find((c) => c.name === 'init')?.pid !== init?.pid && all;
      });
      for (const { name, pid, startedAt } of before.filter((c) => c.name !== 'init')) {
        expect(
          after.find((c) => c.name === name),
          name,
        ).toMatchObject(pid === undefined ? {} : { pid, startedAt });
      }
      await machine.untilHealthy();
    });

    itInWhole(
      'comes back after a reboot: in the swapped revision with a data disk, else in the factory one',
      async () => {
        expect((await swap('2')).code).toBe(0);
        const before = await gantryJson<{ bootId: string; persistent: boolean }>(...on('info'));
        expect(before.persistent).toBe(via === 'ssh');
        await gantryOk(...on('power', 'reboot'));
        await until('the device to boot again', 180, async () => {
          return (await machine.info()).bootId !== before.bootId;
        });
        await machine.untilHealthy();
        expect(await page()).toContain(via === 'ssh' ? 'version 2' : 'version 1');
        expect((await machine.component('web')).image).toBe(via === 'ssh' ? 'web:2' : 'web:1');
      },
    );
  });
}

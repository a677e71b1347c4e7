import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildOs } from '../../src/compose/build-os.ts';
import type { DeviceInfo } from '../../src/shared/api/types.ts';
import { progressTo, sayWithTime } from './support/compose.ts';
import { gantryJson } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { root, work } from './support/paths.ts';
import { until } from './support/until.ts';

/** What guards a booted machine when its boot, or its init container, comes to a stop. */
describe('a machine on its serial line alone', () => {
  let machine: Machine;
  beforeAll(async () => {
    const outDir = join(work, 'guard-amd64');
    const definitions = [join(root, 'test/e2e/supervision/rescue.yml'), join(root, 'images/core.yml')];
    const onProgress = progressTo(sayWithTime());
    await buildOs({ definitions, arch: 'amd64', outDir, relockGone: true, onProgress });
    machine = await boot('amd64', 'serial', { name: 'guard', image: outDir });
  });
  afterAll(() => machine?.stop());

  const info = () => gantryJson<DeviceInfo>('-d', machine.target, 'info');
  const shown = (text: string) => machine.console().split(text).length - 1;

  it('shows a rescue shell where the boot stops, and goes on when a person leaves it', async () => {
    await until('the reason on the console', 180, async () =>
      /THE BOOT HAS STOPPED: broken has failed: exit code 4[\s\S]*there is no \/run\/fixed/.test(machine.console()),
    );
    // The API answers over the same line, and the line is a rescue shell again afterwards.
    expect(await machine.component('quiet')).toMatchObject({ state: 'waiting' });
    await until('the rescue shell to be back', 120, async () => shown('THE BOOT HAS STOPPED') > 1);
    await typing(['sh\r', /# (\x1b\[6n)?$/], ['touch /run/fixed; exit\r', /> $/], ['exit\r', 'press Enter']);
    await until('broken to have run well', 60, async () => (await machine.component('broken')).exitCode === 0);
    await until('the last component', 60, async () => (await machine.component('quiet')).state === 'running');
  });

  it('is restarted by its watchdog when the init container does not answer any more', async () => {
    const before = await infoThenShell();
    expect(before.watchdog).toMatchObject({ device: '/dev/watchdog0', timeoutSeconds: 60, feeding: true });
    // The next init container goes on feeding.
    await typing(['sh\r', /# (\x1b\[6n)?$/], ['kill -9 $(cat /run/gantry/init.ready)\r', 'press Enter']);
    const after = await infoThenShell();
    expect(after).toMatchObject({ bootId: before.bootId, watchdog: { timeoutSeconds: 60, feeding: true } });
    expect(after.init.pid).not.toBe(before.init.pid);
    await typing(['sh\r', /# (\x1b\[6n)?$/], ['kill -STOP $(cat /run/gantry/init.ready)\r', 'THE BOOT HAS STOPPED']);
    // What the device announces on its line names the boot.
    const boots = machine.console().matchAll(/_gantry;2;([0-9a-f-]{36})/g);
    expect([...new Set([...boots].map(([, id]) => id))]).toEqual([before.bootId, expect.any(String)]);
  });

  /** Asks over the link, and waits until the line is a console for people again. */
  async function infoThenShell(): Promise<DeviceInfo> {
    const answer = await info();
    await until('the plain console', 60, async () => /press Enter for a shell\s*$/.test(machine.console()));
    return answer;
  }

  /** With a plain terminal program on the line: types each text, and waits until the console shows what is expected then. */
  async function typing(...steps: [text: string, expected: string | RegExp][]): Promise<void> {
    const line = connect(machine.emulator.instance.serial.path);
    line.on('error', () => undefined).resume();
    try {
      // Enter opens a shell, or shows the prompt of the one that is there.
      for (const [text, expected] of [['\r', /> $/], ...steps] as const) {
        const { length } = machine.console();
        line.write(text);
        await until(`${expected} after ${JSON.stringify(text)}`, 180, async () => {
          const since = machine.console().slice(length);
          return typeof expected === 'string' ? since.includes(expected) : expected.test(since);
        }).catch((cause: Error) => {
          throw new Error(`${cause.message}; it shows ${JSON.stringify(machine.console().slice(-800))}`, { cause });
        });
      }
    } finally {
      line.destroy();
    }
  }
});

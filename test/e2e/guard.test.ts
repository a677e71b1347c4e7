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
    await until('the reason on the console', 120, async () => shown('THE BOOT HAS STOPPED') > 0);
    expect(machine.console()).toMatch(/broken has failed: exit code 4[\s\S]*there is no \/run\/fixed/);
    // The API answers over the same line, and the line is a rescue shell again afterwards.
    expect(await machine.component('quiet')).toMatchObject({ state: 'waiting' });
    await until('the rescue shell to be back', 60, async () => shown('THE BOOT HAS STOPPED') > 1);
    await typing('touch /run/fixed; exit\n', () =>
      until('the boot to go on', 60, async () => shown('press Enter') > 0),
    );
    expect(await machine.component('broken')).toMatchObject({ state: 'exited', exitCode: 0 });
    await until('the last component', 60, async () => (await machine.component('quiet')).state === 'running');
  });

  it('is restarted by its watchdog when the init container does not answer any more', async () => {
    const before = await info();
    expect(before.watchdog).toMatchObject({ device: '/dev/watchdog0', timeoutSeconds: 60, feeding: true });
    const greetings = shown('press Enter');
    const greeted = (times: number) => until('a greeting', 60, async () => shown('press Enter') >= greetings + times);
    // A new init container goes on feeding.
    await greeted(1);
    await typing('\nkill -9 $(cat /run/gantry/init.ready)\n', () => greeted(2));
    const after = await info();
    expect(after).toMatchObject({ bootId: before.bootId, watchdog: { feeding: true } });
    expect(after.init.pid).not.toBe(before.init.pid);
    await greeted(3);
    const halts = shown('THE BOOT HAS STOPPED');
    await typing('\nkill -STOP $(cat /run/gantry/init.ready)\n', () =>
      until('the next boot', 180, async () => shown('THE BOOT HAS STOPPED') > halts),
    );
    expect((await info()).bootId).not.toBe(before.bootId);
  });

  /** With a plain terminal program on the line, until something has happened. */
  async function typing(text: string, happened: () => Promise<unknown>): Promise<void> {
    const line = connect(machine.emulator.instance.serial.path);
    line.on('error', () => undefined).resume();
    line.write(text);
    await happened().finally(() => line.destroy());
  }
});

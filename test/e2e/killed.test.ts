import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildOs } from '../../src/compose/build-os.ts';
import type { ComponentStatus, DeviceInfo, RevisionList } from '../../src/shared/api/types.ts';
import { progressTo, sayWithTime } from './support/compose.ts';
import { gantry, gantryJson, gantryOk } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { root, work } from './support/paths.ts';
import { until } from './support/until.ts';

describe('the machine is reset in the middle of swaps, with a data partition', () => {
  let machine: Machine;
  const on = (...args: string[]) => ['-d', machine.target, ...args];
  beforeAll(async () => {
    const definitions = ['test/killed/device.yml', 'images/core.yml', 'test/killed/faults.yml'].map((path) =>
      join(root, path),
    );
    const image = join(work, 'killed-amd64');
    const onProgress = progressTo(sayWithTime());
    await buildOs({ definitions, arch: 'amd64', outDir: image, relockGone: true, onProgress });
    machine = await boot('amd64', 'serial', { name: 'killed', data: true, image });
    await machine.untilHealthy();
  });
  afterAll(async () => machine?.stop());

  // Just before and just after the one rename that puts the new revision in force.
  it.each([
    ['written pointers.json', 'failed'],
    ['after pointers.json', 'done'],
  ])('at "%s" the swap is %s', async (point, outcome) => {
    const before = await gantryJson<DeviceInfo>(...on('info'));
    const order = JSON.stringify({ action: 'reboot', point });
    await gantryOk(...on('sh', '-c', `printf %s '${order}' >/run/gantry/faults`));
    await gantry(...on('swap', 'web', '--env', `POINT=${point}`));
    const after = await until('the device to boot again', 150, async () => {
      const info = await gantryJson<DeviceInfo>(...on('info'));
      return info.bootId !== before.bootId && info;
    });
    await machine.untilHealthy();
    const { current, revisions } = await gantryJson<RevisionList>(...on('revisions'));
    expect(current === before.revision.number ? 'failed' : 'done').toBe(outcome);
    expect(after.revision.number).toBe(current);
    expect(revisions.map(({ state }) => state)).not.toContain('trying');
    const web = (await machine.component('web')) as ComponentStatus;
    const { Config } = await gantryJson<{ Config: { Env: string[] } }>(...on('inspect', 'web'));
    expect([web.state, Config.Env.includes(`POINT=${point}`)]).toEqual(['running', outcome === 'done']);
  });
});

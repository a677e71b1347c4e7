import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDevice } from '../../src/device/connect.ts';
import type { GarbageList, RevisionList } from '../../src/shared/api/types.ts';
import { cutPowerManyTimes } from '../soak/powercut/run.ts';
import { AtEnd } from '../support/at-end.ts';
import { needRoot } from '../support/needs-root.ts';
import { onDevice } from '../support/on-device.ts';
import { composeWebs, sayWithTime } from './support/compose.ts';
import { gantry, gantryJson, gantryOk } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { imageDir } from './support/paths.ts';

describe('a device with a data disk', () => {
  let machine: Machine | undefined;
  afterAll(() => machine?.stop());

  it('whose disk flips a bit in what is in force falls back, says so, keeps the rest, and takes the image again', async () => {
    const name = 'store-damage';
    machine = await boot('amd64', 'ssh', { name, data: true });
    await machine.untilHealthy();
    await gantryOk('-d', machine.target, 'swap', 'web', machine.web('2'));
    const device = await connectDevice(machine.target);
    const layer = (await onDevice(device, 'ls /var/lib/gantry/layers')).trim();
    const page = `/var/lib/gantry/layers/${layer}/srv/www/index.html`;
    // As a bad sector would: the same length, nothing in the file system's own records tells.
    await onDevice(device, `printf x | dd of=${page} bs=1 seek=20 conv=notrunc 2>/dev/null; sync`);
    await device.close();
    await machine.stop();

    machine = await boot('amd64', 'ssh', { name, data: 'keep' });
    await machine.untilHealthy();
    expect(await machine.page()).toContain('version 1');
    const damaged = /revision 1 is damaged on the disk: web \(web:2\).*the factory revision took its place/;
    expect(machine.console()).toMatch(damaged);
    expect(await gantryOk('-d', machine.target, 'info')).toMatch(damaged);
    const list = await gantryJson<RevisionList>('-d', machine.target, 'revisions');
    expect([list.current, list.revisions[0]?.failure]).toEqual([0, expect.stringMatching(/^damaged on the disk/)]);

    await gantryOk('-d', machine.target, 'swap', 'web', machine.web('2'));
    expect(await machine.page()).toContain('version 2');
    await gantryOk('-d', machine.target, 'rollback', '0');
    await gantryOk('-d', machine.target, 'swap', 'web', machine.web('2'));
    const before = await gantryJson<GarbageList>('-d', machine.target, 'gc', '--dry-run');
    expect(before.items.map(({ kind, name: number }) => `${kind} ${number}`)).toEqual(['revision 1', 'revision 2']);
    expect(await gantryJson<GarbageList>('-d', machine.target, 'gc')).toEqual(before);
    const refused = await gantry('-d', machine.target, 'rollback', '1');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('revision 1 was collected')]);
    const again = await connectDevice(machine.target);
    expect(await onDevice(again, 'ls /var/lib/gantry/layers; ls /var/lib/gantry/quarantine')).toMatch(
      new RegExp(`^${layer}\\n.*-damaged-${layer}\\n$`),
    );
    await again.close();
  }, 400_000);
});

describe('a power cut', () => {
  const atEnd = new AtEnd();
  beforeAll(() => needRoot('Loop mounts'));
  afterAll(() => atEnd.run());

  it('at any moment of swaps and rollbacks leaves one revision or the other, whole', async () => {
    const say = sayWithTime();
    await composeWebs('amd64', say);
    const options = {
      arch: 'amd64',
      image: imageDir('amd64'),
      seed: 3,
      prefixes: 60,
      boots: 0,
      rounds: 1,
      say,
    } as const;
    const result = await cutPowerManyTimes(options, atEnd);
    expect(result.wrong).toEqual([]);
    expect(Object.values(result.checked).reduce((sum, count) => sum + count, 0)).toBe(60);
    expect(result.promises).toBe(8);
    expect(result.dropped).toBeGreaterThan(0);
  }, 400_000);
});

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildOs } from '../../src/compose/build-os.ts';
import type { UpgradeProgress } from '../../src/device/upgrade.ts';
import { ensureDemoKey } from '../../src/emulator/index.ts';
import type { DeviceInfo, RevisionList, SwapPlan } from '../../src/shared/api/types.ts';
import type { Arch } from '../../src/shared/oci/types.ts';
import { gantryJson, gantryOk } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { composeParts, partImage, swapPart } from './support/parts.ts';
import { root, work } from './support/paths.ts';

/** The kernel is started by kexec from a slot of the data partition, and only a booted machine has one. */
describe.each<Arch>(['amd64', 'arm64'])('the kernel on %s', (arch) => {
  let machine: Machine;
  const other = partImage(arch, 'kernel:other');
  const kernel = async () => (await gantryJson<DeviceInfo>('-d', machine.target, 'info')).kernel;

  beforeAll(async () => {
    await composeParts(arch, arch === 'amd64' ? ['kernel-other', 'kernel-garbage'] : ['kernel-other']);
    machine = await boot(arch, 'ssh', { name: `e2e-parts-${arch}`, data: true, cpus: 2 });
    await machine.untilHealthy();
  });
  afterAll(() => machine?.stop());

  // Once is enough for what does not work: what decides it is the same script on every machine. One that starts and does
  // not come up takes longer: `npm run soak -- kernel`.
  it.runIf(arch === 'amd64')('that cannot be started at all is given up', async () => {
    const { code, last } = await swapPart(machine.target, 'kernel', partImage(arch, 'kernel:garbage'));
    expect(last).toMatch(/kexec does not start it/);
    expect(code).toBe(4);
    const again = await swapPart(machine.target, 'kernel', partImage(arch, 'kernel:garbage'));
    expect(again.stderr).toContain('was rolled back');
  });

  it('is tried once and kept when the device is healthy with it', async () => {
    const before = await kernel();
    const plan = await gantryJson<SwapPlan>('-d', machine.target, 'swap', '--dry-run', 'kernel', other);
    expect(plan.transfer?.parts).toMatchObject([{ method: 'difference' }]);
    const { code, last } = await swapPart(machine.target, 'kernel', other);
    expect([code, last]).toEqual([0, expect.stringMatching(/kernel now runs kernel:other/)]);
    expect(await kernel()).not.toBe(before);
    const { current, revisions } = await gantryJson<RevisionList>('-d', machine.target, 'revisions');
    expect(revisions.find(({ number }) => number === current)?.changes).toMatchObject([{ to: 'kernel:other' }]);
  });

  it.runIf(arch === 'amd64')('and everything else is replaced by a whole image', async () => {
    const outDir = join(work, `upgrade-${arch}`);
    const key = { path: '/etc/gantry/authorized_keys', source: ensureDemoKey().publicKeyFile, mode: '0600' };
    const extraFiles = [key, { path: '/etc/upgraded', contents: 'yes', mode: '0644' }];
    const { id } = await buildOs({ definitions: [join(root, 'images/demo.yml')], arch, outDir, extraFiles });
    const lines = (await gantryOk('-d', machine.target, 'upgrade', outDir, '--json')).trim().split('\n');
    const steps = lines.map((line) => JSON.parse(line) as UpgradeProgress);
    const plan = steps.find((step) => step.plan)?.plan;
    // The initramfs in the slot is that of the other kernel.
    expect(plan?.parts.map(({ method }) => method)).toEqual(['there', 'whole', 'difference']);
    const [, initrd, rootImage] = plan?.parts ?? [];
    console.info(`an upgrade sent ${plan?.bytes} bytes of ${plan?.wholeBytes}, of root.img ${rootImage?.bytes}`);
    expect(rootImage?.bytes).toBeLessThan(200_000);
    expect(steps.findLast(({ progress }) => progress)?.progress?.total).toBe(plan?.bytes);
    expect(plan?.bytes).toBeLessThan((rootImage?.bytes ?? 0) + (initrd?.bytes ?? 0) + 1000);
    expect((await gantryJson<DeviceInfo>('-d', machine.target, 'info')).image.id).toBe(id);
    expect(await gantryOk('-d', machine.target, 'sh', '-c', 'cat /etc/upgraded')).toBe('yes');
  });
});

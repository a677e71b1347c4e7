import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RevisionList, SwapPlan } from '../../src/shared/api/types.ts';
import { gantry, gantryJson, gantryOk } from '../e2e/support/gantry.ts';
import { type NativeDevice, startNative } from '../e2e/support/native.ts';
import { composeParts, partImage, partsDir, swapPart } from '../e2e/support/parts.ts';

/** What has no need of a boot, on this machine's own kernel. */
describe('the init container and the base', () => {
  let device: NativeDevice;
  let target: string;
  const sh = (command: string) => gantryOk('-d', target, 'sh', '-c', command);
  const pids = async () => {
    const all = await gantryJson<{ name: string; kind: string; pid?: number }[]>('-d', target, 'ps', '-a');
    return all.filter(({ kind }) => kind === 'service').map(({ name, pid }) => `${name} ${pid}`);
  };
  const initImage = async () => (await device.component('init')).image;

  beforeAll(async () => {
    await composeParts('amd64', ['init-2', 'init-broken', 'base-2', 'base-broken']);
    device = await startNative(join(partsDir, 'device.yml'), 'parts');
    target = `unix:${device.path('/run/docker.sock')}`;
    await device.untilIs('ticker', { state: 'running' });
  });
  afterAll(() => device?.stop());

  it('the init container is replaced: every container keeps its process, and no line of a log is lost', async () => {
    const before = await pids();
    const { code, stderr } = await swapPart(target, 'init', partImage('amd64', 'init:2'));
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(await initImage()).toBe('init:2');
    expect(await sh('cat /run/gantry/init/*/rootfs/usr/lib/gantry/another')).toBe('2');
    expect(await pids()).toEqual(before);
    const numbers = (await device.log('ticker')).map(Number);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it('one that does not work is given up by the launcher, and refused from then on', async () => {
    const before = await pids();
    const { code, last } = await swapPart(target, 'init', partImage('amd64', 'init:broken'));
    expect(code).toBe(4);
    expect(last).toMatch(/ended with code 3 .* no supervisor in here/);
    expect(await initImage()).toBe('init:2');
    expect(await pids()).toEqual(before);
    expect((await swapPart(target, 'init', partImage('amd64', 'init:broken'))).stderr).toContain('was rolled back');
  });

  it('the factory one starts when the current one is not whole', async () => {
    const before = await pids();
    await sh('rm -r /var/lib/gantry/init/*/images');
    await device.killInit();
    expect(device.journal()).toMatch(/the current init container is not whole/);
    expect(await sh('tr "\\0" "\\n" </proc/$(cat /run/gantry/init.ready)/environ | grep IMAGE')).toContain('factory');
    expect(await pids()).toEqual(before);
    // What runs is what is in force, and the revision that was says why it is not.
    const { current, revisions } = await gantryJson<RevisionList>('-d', target, 'revisions');
    expect([current, await initImage()]).toEqual([0, 'init:1']);
    expect(revisions.find(({ number }) => number === 1)?.failure).toMatch(
      /init \(init:2\) does not work: it is not whole/,
    );
    expect((await device.info()).storage?.damage).toMatch(/revision 0 took its place/);
  });

  it('nothing is left of those that were replaced', async () => {
    const mounts = async () => Number(await sh('grep -c . /proc/mounts'));
    const privateBytes = async () => (await device.info()).init.privateBytes;
    const [before, memory] = [await mounts(), await privateBytes()];
    for (const ref of ['init:2', 'init:1', 'init:2', 'init:1']) {
      const source = ref === 'init:1' ? ['rollback', 'init'] : ['swap', 'init', partImage('amd64', ref), '--retry'];
      await gantryOk('-d', target, ...source);
    }
    expect(await mounts()).toBe(before);
    expect(await privateBytes()).toBeLessThan(memory * 1.2);
    expect((await sh('ls -d /run/gantry/init/*/')).split('\n')).toHaveLength(1);
  });

  it('the tools of the base are replaced at once, and taken back', async () => {
    const before = await pids();
    // What it shares with the base of the root image does not travel.
    const plan = await gantryJson<SwapPlan>('-d', target, 'swap', '--dry-run', 'base', partImage('amd64', 'base:2'));
    expect(plan.transfer?.parts).toHaveLength(1);
    expect(plan.transfer?.bytes).toBeLessThan(1000);
    const { code, stderr } = await swapPart(target, 'base', partImage('amd64', 'base:2'));
    expect([code, stderr]).toEqual([0, '']);
    expect(await sh('another-tool')).toBe('two');
    const broken = await swapPart(target, 'base', partImage('amd64', 'base:broken'));
    expect(broken.code).toBe(4);
    expect(broken.last).toContain('base:broken does not work');
    expect(await sh('another-tool')).toBe('two');
    await gantryOk('-d', target, 'rollback', 'base');
    expect((await gantry('-d', target, 'sh', '-c', 'another-tool')).code).toBe(127);
    expect(await pids()).toEqual(before);
    expect(await sh('grep -c gantry-base /proc/mounts || true')).toBe('0');
  });

  it('the one before starts when the current one ends again and again', async () => {
    const before = await pids();
    await gantryOk('-d', target, 'swap', 'init', partImage('amd64', 'init:2'), '--retry');
    await sh('for start in /var/lib/gantry/init/*/images/*/start; do printf "#!/bin/sh\\nexit 7\\n" >$start; done');
    await device.killInit();
    expect(device.journal()).toMatch(/the current init container ended 3 times without working/);
    expect(await sh('tr "\\0" "\\n" </proc/$(cat /run/gantry/init.ready)/environ | grep ROLE')).toContain('previous');
    expect(await pids()).toEqual(before);
  });
});

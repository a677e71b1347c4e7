import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SwapEvent } from '../../src/shared/api/types.ts';
import { type Revision, revisionSchema } from '../../src/shared/definition/revision.ts';
import { hexOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { type NativeDevice, startNative } from '../e2e/support/native.ts';
import { root } from '../e2e/support/paths.ts';
import { until } from '../e2e/support/until.ts';

/** Data that belong to a revision, through swaps and rollbacks of real containers. */
let device: NativeDevice;
let factory: Revision['components'][string];
const folders = () => device.path('/var/lib/gantry/volumes/revision/data');

beforeAll(async () => {
  device = await startNative(join(root, 'test/e2e/definitions/keeper.yml'), 'volumes');
  const { keeper } = revisionSchema.parse(JSON.parse(await device.call('GET', '/gantry/v1/revisions/0'))).components;
  factory = keeper ?? expect.fail();
  await device.untilIs('keeper', { state: 'running' });
});
afterAll(() => device?.stop());

/** The folder of what runs now. */
async function dataFolder(): Promise<string> {
  const { spec } = await device.component('keeper');
  return join(folders(), hexOf(spec as Digest));
}

const namesIn = (folder: string) =>
  until('the names', 20, async () => readFileSync(join(folder, 'names'), 'utf8').trim().split('\n'));

async function last(method: Promise<string>): Promise<SwapEvent> {
  const lines = (await method).trim().split('\n');
  return JSON.parse(lines.at(-1) ?? '') as SwapEvent;
}

const swapTo = (name: string) => {
  const config = { ...factory.config, env: [`NAME=${name}`] };
  return last(device.call('POST', '/gantry/v1/swap', { changes: [{ name: 'keeper', config }], retry: false }));
};
const rollback = () => last(device.call('POST', '/gantry/v1/rollback', { name: 'keeper' }));

it('a swap takes them along, and a rollback brings back those of before', async () => {
  const before = await dataFolder();
  expect(await namesIn(before)).toEqual(['first']);
  const note = `import os,sys; os.setxattr(sys.argv[1], 'trusted.note', b'kept')`;
  execFileSync('python3', ['-c', note, join(before, 'names')]);

  expect(await swapTo('second')).toMatchObject({ stage: 'done' });
  const after = await dataFolder();
  expect(after).not.toBe(before);
  expect(await namesIn(after)).toEqual(['first', 'second']);
  const read = `import os,sys; print(os.getxattr(sys.argv[1], 'trusted.note').decode())`;
  expect(execFileSync('python3', ['-c', read, join(after, 'names')], { encoding: 'utf8' })).toBe('kept\n');

  expect(await rollback()).toMatchObject({ stage: 'done' });
  expect(await dataFolder()).toBe(before);
  expect(await namesIn(before)).toEqual(['first', 'first']);
  // A rollback of the rollback.
  expect(await rollback()).toMatchObject({ stage: 'done' });
  expect(await namesIn(after)).toEqual(['first', 'second', 'second']);
});

it('a swap that fails leaves those of both as they were', async () => {
  const [current, other] = [await dataFolder(), readdirSync(folders()).map((name) => join(folders(), name))];
  const former = other.find((folder) => folder !== current) ?? expect.fail();
  const before = await namesIn(former);
  writeFileSync(join(current, 'poison'), '');
  expect(await swapTo('first')).toMatchObject({ stage: 'failed', message: expect.stringContaining('exit code 7') });
  expect(readdirSync(former)).toEqual(['names']);
  expect(await namesIn(former)).toEqual(before);
  expect(await dataFolder()).toBe(current);
  expect(readdirSync(folders())).toHaveLength(2);
  rmSync(join(current, 'poison'));
});

it('what a person had stopped and then swaps goes on running when the init container is started again', async () => {
  await device.call('POST', '/containers/keeper/stop');
  await device.untilIs('keeper', { state: 'exited' });
  expect(await swapTo('third')).toMatchObject({ stage: 'done' });
  await device.untilIs('keeper', { state: 'running' });
  const { pid } = await device.component('keeper');
  await device.killInit();
  expect(await device.untilIs('keeper', { state: 'running' })).toMatchObject({ pid });
});

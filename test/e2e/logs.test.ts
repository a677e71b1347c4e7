import { closeSync, openSync, writeSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dataDiskPath } from '../../src/emulator/index.ts';
import { gantryOk, start } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { until } from './support/until.ts';

/** Logs of a device with a data disk: rotated under a follower, over ends of the init container, and after a power cut. */
const name = 'e2e-logs';
/** Of the device, from a line’s writing until it is on the disk: 5 s, the pause until the next look, and what that takes. */
const durableAfterSeconds = 10;

let machine: Machine;
const on = (...args: string[]) => ['-d', machine.target, ...args];
const sh = (script: string) => gantryOk(...on('sh', '-c', script));

beforeAll(async () => {
  machine = await boot('amd64', 'ssh', { name, data: true });
  await machine.untilHealthy();
});
afterAll(async () => machine?.stop());

/** Makes the container web say numbered lines, as its first process would. */
async function say(first: number, last: number): Promise<void> {
  await gantryOk(...on('exec', 'web', 'sh', '-c', `seq ${first} ${last} | sed 's/^/line /' > /proc/1/fd/1`));
}

const numbered = (text: string) => text.split('\n').flatMap((line) => /^line (\d+)$/.exec(line)?.[1] ?? []);
const numbers = (last: number) => Array.from({ length: last }, (_, index) => String(index + 1));

it('has the logs of the kernel and of the init container', async () => {
  expect(await gantryOk(...on('logs', 'kernel'))).toContain('Linux version');
  await sh('echo "<3>a driver complains" > /dev/kmsg');
  const followed = start(on('logs', '-f', '--tail', '1', 'kernel'));
  let errors = '';
  followed.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  await until('the message to come', 30, async () => errors.includes('a driver complains'));
  followed.kill('SIGINT');
  await followed;
  expect(await gantryOk(...on('logs', 'init'))).toContain('the API answers');
});

it('gives each line once to a follower, over rotations and while the init container is killed again and again', async () => {
  const followed = start(on('logs', '-f', '--tail', '0', 'web'));
  let seen = '';
  followed.stdout?.on('data', (chunk) => {
    seen += chunk;
  });
  // The health check's requests tell that it follows.
  await until('the follower to be there', 60, async () => seen.includes('GET /health'));
  for (const first of [1, 25_001]) {
    await say(first, first + 24_999);
    const { pid } = await machine.component('init');
    await sh(`kill -9 ${pid}`).catch(() => undefined);
    await until('a new init container', 60, async () => (await machine.component('init')).pid !== pid);
  }
  await until('all lines to come', 60, async () => seen.includes('line 50000\n'));
  followed.kill('SIGINT');
  await followed;
  expect(numbered(seen)).toEqual(numbers(50_000));
  expect(await sh('ls /var/lib/gantry/logs')).toContain('web.log.1');
  const init = await gantryOk(...on('logs', 'init'));
  expect(init.match(/the API answers/g)).toHaveLength(3);
});

it('has the logs still after a power cut that tore the superblock of the data disk', async () => {
  const uptime = async () => Number((await sh('cut -d. -f1 /proc/uptime')).trim());
  const written = await uptime();
  await until('the disk to have it all', 60, async () => (await uptime()) >= written + durableAfterSeconds);
  await machine.stop();
  const disk = openSync(dataDiskPath(name), 'r+');
  // The second of its two sectors, which has the checksum.
  writeSync(disk, Buffer.alloc(512, 0x5a), 0, 512, 1024 + 512);
  closeSync(disk);
  machine = await boot('amd64', 'ssh', { name, data: 'keep' });
  await machine.untilHealthy();
  expect(machine.console()).toContain('it is mended');
  expect(numbered(await gantryOk(...on('logs', 'web')))).toEqual(numbers(50_000));
  expect((await gantryOk(...on('logs', 'kernel'))).match(/Linux version/g)).toHaveLength(2);
  expect((await gantryOk(...on('logs', 'init'))).match(/the API answers/g)).toHaveLength(4);
});

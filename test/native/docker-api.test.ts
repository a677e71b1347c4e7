import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type NativeDevice, startNative } from '../e2e/support/native.ts';
import { work } from '../e2e/support/paths.ts';
import { until } from '../e2e/support/until.ts';

/** What Docker's clients ask for beside what other tests cover. */
let device: NativeDevice;
beforeAll(async () => {
  const definition = join(work, 'docker-api.yml');
  mkdirSync(work, { recursive: true });
  writeFileSync(definition, 'services: [{ name: web, image: web:1 }]\n');
  device = await startNative(definition, 'docker-api');
  await device.untilIs('web', { health: 'healthy' }, 60);
});
afterAll(async () => device?.stop());

/** A line that the container's first process says. */
const say = (text: string) => {
  const file = device.path(`/proc/${webPid}/fd/1`);
  return once(spawn('sh', ['-c', `echo '${text}' >'${file}'`], { stdio: 'inherit' }), 'exit');
};
let webPid = 0;

async function upgraded(path: string): Promise<{ socket: Socket; seen: () => string }> {
  const socket = connect(device.path('/run/docker.sock'));
  let seen = '';
  socket.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1');
  });
  socket.write(`POST ${path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`);
  await until('an answer', 20, async () => seen.includes('\r\n\r\n'));
  return { socket, seen: () => seen };
}

it('attaches to the output of a container, with an upgrade and without, from now on or from the beginning', async () => {
  webPid = (await device.component('web')).pid ?? 0;
  await say('before');
  await until('the line to be in the log', 20, async () => (await device.log('web')).includes('before'));
  const live = await upgraded('/v1.46/containers/web/attach?stream=1&stdout=1&stderr=1');
  expect(live.seen()).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\nContent-Type: application\/vnd\.docker\.multiplexed-stream/);
  // A container has no input: what is typed disturbs nothing.
  live.socket.write('typed\n');
  await say('after');
  await until('the line to come', 20, async () => live.seen().includes('\x01\0\0\0\0\0\0\x06after\n'));
  expect(live.seen()).not.toContain('before');
  const past = await device.call('POST', '/containers/web/attach?logs=1&stdout=1');
  expect(past).toContain('before\n');
  await device.call('POST', '/containers/web/stop');
  await once(live.socket, 'close');
  await device.call('POST', '/containers/web/start');
  await expect(device.call('POST', '/containers/web/attach')).rejects.toThrow('choose stream, logs, or both');
  await expect(device.call('POST', '/containers/nosuch/attach?stream=1')).rejects.toThrow('No such container');
});

it('tells how an image was made, newest layer first', async () => {
  const history = JSON.parse(await device.call('GET', '/images/web:1/history')) as Record<string, unknown>[];
  expect(history[0]).toMatchObject({ Tags: ['web:1'], Id: expect.stringMatching(/^sha256:/) });
  expect(history.at(-1)).toMatchObject({ Tags: null, Id: '<missing>' });
  const layers = JSON.parse(await device.call('GET', '/images/web:1/json')).RootFS.Layers as string[];
  expect(history).toHaveLength(layers.length);
});

it('refuses with a sentence what it does not do', async () => {
  for (const [method, path] of [
    ['GET', '/containers/web/archive?path=/etc'],
    ['GET', '/containers/web/export'],
    ['POST', '/volumes/prune'],
    ['GET', '/system/df'],
  ] as const) {
    await expect(device.call(method, path)).rejects.toThrow(/(501|409) .*(use|see): gantry/);
  }
});

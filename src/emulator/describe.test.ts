import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { howToConnect, shellWord } from './describe.ts';
import type { Instance } from './instance.ts';

const instance: Instance = {
  name: 'demo',
  pid: 1,
  process: 'x',
  arch: 'amd64',
  board: 'pc',
  startedAt: '2025-01-02T03:04:05.000Z',
  imageDir: '/image',
  serial: { path: '/s' },
  monitor: { path: '/m' },
  consoleLog: '/c',
  ports: { '22': 2222, '80': 8080, '1883': 1884 },
};

test('a device with a network card is reached by SSH, serial and its ports', () => {
  const ssh = { host: '127.0.0.1', port: 2222, user: 'root', identityFile: '/my keys/id', knownHostsFile: '/known' };
  const text = howToConnect({ ...instance, ssh }, 'gantry');
  expect(text).toContain('gantry -d qemu:demo\n');
  expect(text).toContain("gantry -d 'qemu:demo?via=serial'\n");
  expect(text).toContain("ssh -i '/my keys/id' ");
  expect(text).toContain('-p 2222 root@127.0.0.1');
  expect(text).toContain('http://127.0.0.1:8080/');
  expect(text).toContain('127.0.0.1:1884');
  expect(text).toContain('gantry run --stop demo');
});

test('a device without one is reached by serial only', () => {
  const text = howToConnect({ ...instance, ports: {} }, './bin/gantry.mjs');
  expect(text).not.toContain('ssh');
  expect(text).toContain("./bin/gantry.mjs -d 'qemu:demo?via=serial'\n");
});

test('a quoted word is the same word to a shell', () => {
  const word = fc.string({ unit: 'binary-ascii', minLength: 1 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
      const script = `printf '%s\\0' ${words.map(shellWord).join(' ')}`;
      expect(execFileSync('sh', ['-c', script], { encoding: 'latin1' })).toBe(
        words.map((text) => `${text}\0`).join(''),
      );
    }),
    { numRuns: 30 },
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { identify, isRunning, parseProcStat } from '../native/processes.ts';
import { parseSignal } from '../native/signals.ts';
import { keyed, parseIoStat } from './cgroup.ts';
import { pidFrom } from './conmon.ts';
import { containerId } from './record.ts';

test("a process's command may look like anything", () => {
  fc.assert(
    fc.property(fc.string(), (command) => {
      const line = `42 (${command}) S 7 1 1 34816 1 0 0 0 0 0 11 12 0 0 20 0 1 0 9999 0`;
      expect(parseProcStat(line)).toMatchObject({
        pid: 42,
        command,
        state: 'S',
        ppid: 7,
        tty: 34816,
        startTicks: 9999,
      });
    }),
  );
  expect(parseProcStat('nonsense')).toBeUndefined();
});

test('a process is known again by its start time, and a reused PID is not taken for it', async () => {
  const self = await identify(process.pid);
  expect(self).toBeDefined();
  if (!self) return;
  expect(await isRunning(self)).toBe(true);
  expect(await isRunning({ ...self, startTicks: self.startTicks + 1 })).toBe(false);
});

test('signals by name and number', () => {
  expect(['TERM', 'sigterm', '15', ' SIGTERM '].map(parseSignal)).toEqual(Array(4).fill('SIGTERM'));
  expect([parseSignal('0'), parseSignal('FOO'), parseSignal('')]).toEqual([undefined, undefined, undefined]);
});

test("the kernel's figures", () => {
  expect(keyed('usage_usec 12\nuser_usec 5\n\n')).toEqual({ usage_usec: 12, user_usec: 5 });
  expect(parseIoStat('254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:1 \n')).toEqual([
    { major: 254, minor: 0, op: 'read', value: 10 },
    { major: 254, minor: 0, op: 'write', value: 20 },
  ]);
});

test("conmon's answer is a PID or the runtime's reason", () => {
  expect(pidFrom('{"data": 17}', '')).toBe(17);
  expect(() => pidFrom('{"data": -1, "message": "no such file"}', '')).toThrow('no such file');
  expect(() => pidFrom('{"data": -1}', 'crun: boom')).toThrow('crun: boom');
  expect(() => pidFrom(undefined, '')).toThrow('ended without an answer');
  expect(() => pidFrom('Segmentation fault', '')).toThrow('Segmentation fault');
});

test('the id of a container depends on its name and image only', () => {
  const digest = `sha256:${'a'.repeat(64)}` as const;
  expect(containerId('web', digest)).toMatch(/^[0-9a-f]{64}$/);
  expect(containerId('web', digest)).toBe(containerId('web', digest));
  expect(containerId('web', digest)).not.toBe(containerId('web', `sha256:${'b'.repeat(64)}`));
  const second = containerId('web', digest, containerId('web', digest));
  expect(second).toMatch(/^[0-9a-f]{64}$/);
  expect(second).not.toBe(containerId('web', digest));
  expect(containerId('web', digest, second)).toBe(containerId('web', digest));
});

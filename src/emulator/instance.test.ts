import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type Instance,
  instanceDir,
  instancesDir,
  isRunning,
  listInstances,
  loadInstance,
  readInstance,
  removeInstance,
  saveInstance,
} from './instance.ts';
import { processIdentity } from './process-identity.ts';

let home: string;
let child: ChildProcess;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  process.env.XDG_STATE_HOME = home;
  child = spawn('sleep', ['1000']);
  await once(child, 'spawn');
});
afterEach(() => {
  child.kill('SIGKILL');
  rmSync(home, { recursive: true });
  delete process.env.XDG_STATE_HOME;
});

function instanceOf(pid: number, name = 'demo'): Instance {
  return {
    name,
    pid,
    process: processIdentity(pid) ?? '',
    arch: 'amd64',
    board: 'pc',
    startedAt: '2025-01-02T03:04:05.000Z',
    imageDir: '/images/demo',
    serial: { path: join(instanceDir(name), 'serial.sock') },
    monitor: { path: join(instanceDir(name), 'monitor.sock') },
    consoleLog: join(instanceDir(name), 'console.log'),
    ports: { '22': 2222 },
  };
}

test('what is saved is read, listed and removed', () => {
  const instance = instanceOf(process.pid);
  saveInstance(instance);
  expect(readInstance('demo')).toEqual(instance);
  expect(loadInstance('demo')).toEqual(instance);
  expect(listInstances()).toEqual([instance]);
  expect(readdirSync(instanceDir('demo'))).toEqual(['instance.json']);
  expect(() => removeInstance('demo')).toThrow(/runs \(pid \d+\): stop it first/);
});

test('an instance of an ended process is neither listed nor loaded, and can be removed', async () => {
  const instance = instanceOf(child.pid ?? 0);
  saveInstance(instance);
  expect(isRunning(instance)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isRunning(instance)).toBe(false);
  expect(listInstances()).toEqual([]);
  expect(() => loadInstance('demo')).toThrow(/No longer running: the emulator "demo".*gantry run DIR --name demo/);
  removeInstance('demo');
  expect(readInstance('demo')).toBeUndefined();
});

test('another process with the same pid is not it, nor is a process of an earlier boot', () => {
  const instance = instanceOf(process.pid);
  const [boot, ticks] = instance.process.split(':');
  expect(isRunning(instance)).toBe(true);
  expect(isRunning({ ...instance, process: `${boot}:${Number(ticks) - 1}` })).toBe(false);
  expect(isRunning({ ...instance, process: `00000000-0000-0000-0000-000000000000:${ticks}` })).toBe(false);
});

test('an unknown name says what runs', () => {
  expect(() => loadInstance('other')).toThrow(/no emulator "other"\. None is running/);
  saveInstance(instanceOf(process.pid));
  expect(() => loadInstance('other')).toThrow(/no emulator "other"\. Running: demo/);
});

test('a name cannot lead out of the folder', () => {
  for (const name of ['../demo', '.', '..', 'a/b', '', 'A', 'x'.repeat(41)]) {
    expect(() => loadInstance(name)).toThrow(/not an emulator name/);
  }
});

test('a damaged file is named when asked for, and passed over in the list', () => {
  saveInstance(instanceOf(process.pid));
  mkdirSync(join(instancesDir(), 'bad'));
  const file = join(instancesDir(), 'bad', 'instance.json');
  for (const text of ['{', '{"name":"bad"}', JSON.stringify({ ...instanceOf(process.pid, 'bad'), surplus: 1 })]) {
    writeFileSync(file, text);
    expect(() => readInstance('bad')).toThrow(file);
    expect(listInstances().map(({ name }) => name)).toEqual(['demo']);
  }
});

test('without a folder nothing runs', () => {
  expect(listInstances()).toEqual([]);
});

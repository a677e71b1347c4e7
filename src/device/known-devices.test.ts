import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Instance, saveInstance } from '../emulator/instance.ts';
import { processIdentity } from '../emulator/process-identity.ts';
import { addDevice, devicesFile, readDevices, removeDevice } from './known-devices.ts';
import { resolveTarget } from './resolve-target.ts';

let dir: string;
const saved = { ...process.env };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-config-'));
  process.env.XDG_CONFIG_HOME = join(dir, 'config');
  process.env.XDG_STATE_HOME = join(dir, 'state');
  delete process.env.GANTRY_DEVICE;
});
afterEach(() => {
  for (const name of ['XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'GANTRY_DEVICE']) {
    if (saved[name] === undefined) delete process.env[name];
    else process.env[name] = saved[name];
  }
  rmSync(dir, { recursive: true, force: true });
});

/** An emulator whose process is this one: it runs, for sure. */
function addInstance(name: string, withNetwork: boolean): Instance {
  const ssh = {
    host: '127.0.0.1',
    port: 2222,
    user: 'root',
    identityFile: join(dir, 'id'),
    knownHostsFile: join(dir, 'known'),
  };
  const instance: Instance = {
    name,
    pid: process.pid,
    process: processIdentity(process.pid) ?? '',
    arch: 'amd64',
    board: 'pc',
    startedAt: '2030-01-01T00:00:00Z',
    imageDir: dir,
    ...(withNetwork && { ssh }),
    serial: { path: join(dir, 'serial.sock') },
    monitor: { path: join(dir, 'monitor.sock') },
    consoleLog: join(dir, 'console.log'),
    ports: {},
  };
  saveInstance(instance);
  return instance;
}

describe('known devices', () => {
  it('are added, changed, listed and forgotten', async () => {
    expect(await readDevices()).toEqual([]);
    await addDevice('bench', 'ssh://root@board');
    await addDevice('arm', 'serial:/dev/ttyUSB0?baud=9600');
    await addDevice('bench', 'unix:///run/x.sock');
    expect(await readDevices()).toEqual([
      { name: 'arm', target: 'serial:/dev/ttyUSB0?baud=9600' },
      { name: 'bench', target: 'unix:/run/x.sock' },
    ]);
    await removeDevice('arm');
    expect((await readDevices()).map(({ name }) => name)).toEqual(['bench']);
    await expect(removeDevice('bnech')).rejects.toThrow('Did you mean bench?');
    await expect(addDevice('a b', 'unix:/x')).rejects.toThrow('cannot be a name');
    await expect(addDevice('other', 'bench')).rejects.toThrow('bench is a name itself');
  });

  it('of a damaged file are not overwritten', async () => {
    await addDevice('bench', 'unix:/x');
    writeFileSync(devicesFile(), '{');
    await expect(addDevice('more', 'unix:/y')).rejects.toThrow(/devices\.json cannot be read/);
    expect(readFileSync(devicesFile(), 'utf8')).toBe('{');
  });
});

describe('resolveTarget', () => {
  it('finds known devices and running emulators, the latter by ssh first', async () => {
    const { ssh, serial } = addInstance('demo', true);
    addInstance('bare', false);
    await addDevice('bench', 'qemu:demo?via=serial');
    const endpointOf = async (name: string) => (await resolveTarget(name)).endpoint;
    expect(await endpointOf('bench')).toEqual({
      kind: 'serial',
      path: serial.path,
      emulated: { consoleLog: expect.stringMatching(/console\.log$/), emulatedBreak: expect.any(Function) },
    });
    expect(await endpointOf('qemu:bare')).toEqual({
      kind: 'serial',
      path: serial.path,
      emulated: { consoleLog: expect.stringMatching(/console\.log$/), emulatedBreak: expect.any(Function) },
    });
    const bySsh = {
      kind: 'ssh',
      host: '127.0.0.1',
      port: 2222,
      user: 'root',
      ssh: { identityFile: ssh?.identityFile, knownHostsFile: ssh?.knownHostsFile, acceptNewHostKey: true },
    };
    expect(await endpointOf('qemu:demo')).toEqual(bySsh);
    expect(await endpointOf('demo')).toEqual(bySsh);
    await expect(resolveTarget('qemu:bare?via=ssh')).rejects.toThrow('use qemu:bare?via=serial');
    await expect(resolveTarget('bnech')).rejects.toThrow('Did you mean bench?');
    await expect(resolveTarget('qemu:dmeo')).rejects.toThrow('Did you mean demo?');
  });

  it('without a name takes GANTRY_DEVICE, else the only device, else lists them', async () => {
    await expect(resolveTarget(undefined)).rejects.toThrow(/which device\? None is known.*gantry device add/);
    addInstance('demo', false);
    expect((await resolveTarget(undefined)).name).toBe('qemu:demo');
    await addDevice('same', 'qemu:demo');
    expect((await resolveTarget(undefined)).name).toBe('same');
    await addDevice('bench', 'unix:/x');
    await expect(resolveTarget(undefined)).rejects.toThrow(
      'which device? Name one with -d or GANTRY_DEVICE: bench, same',
    );
    process.env.GANTRY_DEVICE = 'bench';
    expect(await resolveTarget(undefined)).toEqual({
      name: 'bench',
      endpoint: { kind: 'unix', path: '/x' },
      emulated: false,
    });
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureDataDisk } from './data-disk.ts';
import { greeting, writeEchoImage } from './echo-guest.testing.ts';
import { type Instance, instanceDir, isRunning, listInstances, loadInstance, readInstance } from './instance.ts';
import { type Emulator, type EmulatorOptions, startEmulator } from './start.ts';
import { stopEmulator, untilEnded } from './stop.ts';

let home: string;
let imageDir: string;
const started: Emulator[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  process.env.XDG_STATE_HOME = home;
  process.env.XDG_CACHE_HOME = home;
  imageDir = join(home, 'image, with a comma');
  writeEchoImage(imageDir);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const emulator of started.splice(0)) await emulator.stop();
  rmSync(home, { recursive: true });
  delete process.env.XDG_STATE_HOME;
  delete process.env.XDG_CACHE_HOME;
});

async function start(options: Partial<EmulatorOptions> = {}): Promise<Emulator> {
  const defaults = { imageDir, name: 'echo', memory: 64, cpus: 1, serialOnly: true, ports: [], detach: false };
  const emulator = await startEmulator({ ...defaults, ...options });
  started.push(emulator);
  return emulator;
}

async function readUntil(socket: Socket, text: string): Promise<string> {
  let seen = '';
  while (!seen.includes(text)) {
    const [chunk] = await once(socket, 'data');
    seen += chunk;
  }
  return seen;
}

test('the serial line works both ways, nothing printed is missed, and power-off ends QEMU', async () => {
  let line: Socket | undefined;
  let seen: Promise<string> | undefined;
  const emulator = await start({
    beforeBoot: async (instance) => {
      line = createConnection(instance.serial.path);
      await once(line, 'connect');
      seen = readUntil(line, '\n');
    },
  });
  expect(await seen).toBe(greeting);
  expect(loadInstance('echo')).toEqual(emulator.instance);
  expect(emulator.instance).not.toHaveProperty('ssh');
  line?.write('abc');
  if (line !== undefined) expect(await readUntil(line, 'c')).toBe('abc');
  line?.write('q');
  await emulator.exited;
  expect(readFileSync(emulator.instance.consoleLog, 'utf8')).toBe(`${greeting}abcq`);
  expect(listInstances()).toEqual([]);
  await emulator.stop();
  expect(readInstance('echo')).toBeUndefined();
  line?.destroy();
});

test('stop ends QEMU and forgets the instance, in whichever process', async () => {
  const { instance } = await start();
  await stopEmulator(instance);
  expect(isRunning(instance)).toBe(false);
  expect(existsSync(instanceDir('echo'))).toBe(false);
});

test('ports are forwarded from the loopback interface, SSH always', async () => {
  const { instance } = await start({ serialOnly: false, ports: [{ guest: 80 }] });
  expect(Object.keys(instance.ports)).toEqual(['22', '80']);
  expect(instance.ssh).toMatchObject({ host: '127.0.0.1', port: instance.ports['22'], user: 'root' });
  const socket = createConnection(instance.ports['80'] ?? 0, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
});

test('a data disk is attached and stays after the stop', async () => {
  const disk = await ensureDataDisk('echo', 32 * 2 ** 20);
  const emulator = await start({ dataDisk: disk.path });
  expect(emulator.instance.dataDisk).toBe(disk.path);
  await emulator.stop();
  expect(existsSync(disk.path)).toBe(true);
});

test('a taken name, a taken port, a missing file and what QEMU says are reported, and nothing is left', async () => {
  const first = await start();
  await expect(start()).rejects.toThrow(/already runs.*gantry run --stop echo/);
  expect(isRunning(first.instance)).toBe(true);

  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const taken = start({ name: 'other', serialOnly: false, ports: [{ host: address.port, guest: 80 }] });
  await expect(taken).rejects.toThrow(/Could not set up host forwarding rule/);
  server.close();

  await expect(start({ name: 'other', memory: 1 << 30 })).rejects.toThrow(/"other" could not be started: .*memory/s);
  await expect(start({ name: 'other', board: 'pc' })).rejects.toThrow(/no board "pc" for an arm64 image.*virt/);
  rmSync(join(imageDir, 'root.img'));
  await expect(start({ name: 'other' })).rejects.toThrow(/no root\.img/);
  expect(listInstances().map((instance) => instance.name)).toEqual(['echo']);
  expect(existsSync(instanceDir('other'))).toBe(false);
});

test('a state folder too deep for a socket’s address works', async () => {
  process.env.XDG_STATE_HOME = join(home, 'x'.repeat(90));
  const emulator = await start();
  expect(Buffer.byteLength(emulator.instance.serial.path)).toBeLessThan(108);
  await emulator.stop();
  expect(existsSync(join(emulator.instance.serial.path, '..'))).toBe(false);
});

/** Starts an emulator in another process, which then waits, and is ended by the test. */
async function startElsewhere(detach: boolean): Promise<{ child: ChildProcess; instance: Instance }> {
  const script = join(home, 'start.ts');
  const options = { imageDir, name: 'echo', memory: 64, cpus: 1, serialOnly: true, ports: [], detach };
  const url = new URL('./start.ts', import.meta.url).href;
  writeFileSync(
    script,
    `import { startEmulator } from ${JSON.stringify(url)};
     await startEmulator(${JSON.stringify(options)});
     console.log('started');
     setInterval(() => {}, 1000);`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  if (child.stdout === null) throw new Error('no output');
  await once(child.stdout, 'data');
  return { child, instance: loadInstance('echo') };
}

test.each(['SIGKILL', 'SIGHUP', 'SIGINT'] as const)('QEMU ends when its process goes by %s', async (signal) => {
  const { child, instance } = await startElsewhere(false);
  child.kill(signal);
  expect(await untilEnded(instance, 10_000)).toBe(true);
  // What it left behind does not stand in the way.
  await start();
});

test('a detached QEMU outlives its process', async () => {
  const { child, instance } = await startElsewhere(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const line = createConnection(instance.serial.path);
  line.write('still here\n');
  await readUntil(line, 'still here\n');
  line.destroy();
  await stopEmulator(instance);
});

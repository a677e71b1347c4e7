import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, Agent as HttpAgent, request, type Server } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { TransportAgent } from '../../src/device/agent.ts';
import { ApiClient } from '../../src/device/api-client.ts';
import { SerialConsole } from '../../src/transport/serial/console.ts';
import { takeLine } from '../../src/transport/serial/take-line.ts';
import { parseSerialTarget } from '../../src/transport/serial/target.ts';
import { SerialTransport } from '../../src/transport/serial.ts';
import { seededRandom } from '../../test/line/random.ts';
import { createPty, type Pty } from '../../test/support/pty.ts';
import { loadLibc } from '../native/libc.ts';
import { spawnPty } from '../native/pty.ts';
import { type ConsoleAgent, startConsoleAgent } from './agent.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-console-'));
const printk = { control: join(folder, 'printk'), saved: join(folder, 'saved') };
const savedSpeed = join(folder, 'speed');
const socketPath = join(folder, 'api.sock');
const consolePath = join(folder, 'console');
const patient = { timeout: 15_000, interval: 10 };
const cleanups: (() => void | Promise<void>)[] = [];

let server: Server;
let agent: ConsoleAgent;
let deviceEnd: Pty;
let hostEnd: Pty;
let logged: string[];

function bytes(seed: number, length: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

function sha(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Joins the two ptys as a cable would, with whatever `damage` does to the bytes. */
function plug(damage: (chunk: Buffer) => Buffer = (chunk) => chunk): void {
  deviceEnd.cable.on('data', (chunk: Buffer) => hostEnd.cable.write(damage(chunk)));
  hostEnd.cable.on('data', (chunk: Buffer) => deviceEnd.cable.write(chunk));
}

beforeEach(async () => {
  logged = [];
  writeFileSync(printk.control, '7\t4\t1\t7\n');
  server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const url = new URL(incoming.url ?? '/', 'http://device');
    response.setHeader('x-received', sha(Buffer.concat(parts)));
    response.end(bytes(Number(url.searchParams.get('seed')), Number(url.searchParams.get('size'))));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  deviceEnd = await createPty();
  hostEnd = await createPty();
  // A port that nobody has open sends nothing back, and a pseudo-terminal must be told so.
  execFileSync('stty', ['-F', hostEnd.path, 'raw', '-echo']);
  symlinkSync(deviceEnd.path, consolePath);
  agent = startAgent();
});

function startAgent(more: { whyNoApi?: () => string } = {}): ConsoleAgent {
  return startConsoleAgent({
    ...more,
    tty: consolePath,
    bootId: 'boot-1',
    printk,
    savedSpeed,
    reopenMs: 20,
    leftRescue: () => logged.push('the rescue shell was left'),
    log: (line) => logged.push(line),
    openApi: () => connectSocket({ path: socketPath, allowHalfOpen: true }),
    openShell: async (size) => {
      const shell = await spawnPty(['/bin/sh'], { ...size, env: { PATH: process.env.PATH, PS1: 'prompt: ' } });
      return { ...shell, resize: async (columns, rows) => shell.resize(columns, rows) };
    },
  });
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await agent.close();
  deviceEnd.close();
  hostEnd.close();
  unlinkSync(consolePath);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

function makeTransport(options: { connectTimeoutMs?: number; settings?: string } = {}): SerialTransport {
  const transport = new SerialTransport(`serial:${hostEnd.path}?${options.settings ?? 'baud=1000000'}`, options);
  cleanups.push(() => transport.close());
  return transport;
}

/** A console of the host, and what it has shown. */
async function openConsole(mode: 'auto' | 'bare', size = { columns: 80, rows: 24 }, settings = 'baud=1000000') {
  const target = parseSerialTarget(`serial:${hostEnd.path}?${settings}`);
  const terminal = new SerialConsole({ take: () => takeLine(target), mode, size, trialMs: 10_000 });
  cleanups.push(() => terminal.close());
  let shown = '';
  terminal.on('output', (bytes) => {
    shown += bytes.toString('latin1');
  });
  await terminal.start();
  return { terminal, text: () => shown, type: (keys: string) => terminal.write(Buffer.from(keys)) };
}

/** One request with a body and an answer of `size` bytes, both checked; on a stream of its own unless `pool` is given. */
async function ask(transport: SerialTransport, size: number, seed: number, pool?: HttpAgent): Promise<void> {
  const body = bytes(seed + 1, seed % 3 === 0 ? 0 : size);
  const connection = pool ? undefined : await transport.open();
  await new Promise<void>((resolve, reject) => {
    const asking = request(
      {
        method: 'POST',
        path: `/x?size=${size}&seed=${seed}`,
        headers: { host: 'device', 'content-length': body.length },
        ...(pool ? { agent: pool } : { createConnection: () => connection as Duplex }),
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          try {
            expect(response.headers['x-received']).toBe(sha(body));
            expect(sha(Buffer.concat(parts))).toBe(sha(bytes(seed, size)));
            resolve();
          } catch (error) {
            reject(error as Error);
          }
        });
      },
    );
    asking.on('error', reject);
    asking.end(body);
  });
}

test('20 requests at once arrive exactly while junk falls on the line', async () => {
  const random = seededRandom(11);
  plug((chunk) => {
    if (random() > 0.2) return chunk;
    const at = Math.floor(random() * chunk.length);
    const line = `[${'1.000000'.padStart(12)}] random line ${Math.floor(random() * 99)}\r\n`;
    const junk = random() < 0.5 ? Buffer.from(line) : bytes(at, 12);
    return Buffer.concat([chunk.subarray(0, at), junk, chunk.subarray(at)]);
  });
  const transport = makeTransport();
  const sizes = Array.from({ length: 20 }, (_, index) => Math.floor(1.6 ** index * 1.5) + index);
  await Promise.all(sizes.map((size, index) => ask(transport, size, index)));
});

test('an HTTP agent keeps one stream for several requests', async () => {
  plug();
  const transport = makeTransport();
  let opened = 0;
  class Pool extends HttpAgent {
    override createConnection(_options: unknown, callback?: (error: Error | null, stream: Duplex) => void): undefined {
      opened += 1;
      transport.open().then(
        (stream) => callback?.(null, stream),
        (error: Error) => callback?.(error, undefined as never),
      );
    }
  }
  const pool = new Pool({ keepAlive: true, maxSockets: 1, timeout: 30_000 });
  cleanups.push(() => pool.destroy());
  for (let seed = 1; seed <= 4; seed += 1) await ask(transport, 300 * seed, seed, pool);
  expect(opened).toBe(1);
});

test('the kernel is quiet while a host is connected, and only then', async () => {
  plug();
  const transport = makeTransport();
  await ask(transport, 10, 1);
  expect(agent.state).toBe('framed');
  expect(readFileSync(printk.control, 'utf8')).toBe('1\n');
  await transport.close();
  await vi.waitFor(() => expect(agent.state).toBe('plain'), patient);
  expect(readFileSync(printk.control, 'utf8')).toBe('7\n');
});

test('a person with a plain terminal gets a shell, also after a host was connected', async () => {
  plug();
  const first = await openConsole('bare');
  await first.type('\r');
  await vi.waitFor(() => expect(first.text()).toContain('prompt: '), patient);
  await first.type('echo $((6 * 7))\r');
  await vi.waitFor(() => expect(first.text()).toContain('\n42\r'), patient);
  await first.terminal.close();
  const host = makeTransport();
  await ask(host, 100, 5);
  expect(agent.state).toBe('framed');
  await host.close();
  await vi.waitFor(() => expect(agent.state).toBe('plain'), patient);
  const second = await openConsole('bare');
  await second.type('exit\r');
  await vi.waitFor(() => expect(second.text()).toContain('press Enter for a shell'), patient);
});

test('a host that goes without a word leaves a plain console with a shell', async () => {
  plug();
  const host = makeTransport();
  await ask(host, 100, 3);
  expect(agent.state).toBe('framed');
  // The cable is now in a terminal program.
  hostEnd.cable.removeAllListeners('data');
  deviceEnd.cable.removeAllListeners('data');
  let shown = '';
  deviceEnd.cable.on('data', (chunk: Buffer) => {
    shown += chunk.toString('latin1');
  });
  await vi.waitFor(() => expect(shown).toContain('press Enter for a shell'), patient);
  expect(logged).toContain('console: plain again: the host has been silent for 2.7 s');
  deviceEnd.cable.write('\r');
  await vi.waitFor(() => expect(shown).toContain('prompt: '), patient);
  deviceEnd.cable.write('echo $((6 * 7))\r');
  await vi.waitFor(() => expect(shown).toContain('\n42\r'), patient);
});

test('a boot that stops shows why and gives a shell at once, also after a host was connected', async () => {
  plug();
  const first = await openConsole('bare');
  agent.rescue(['THE BOOT HAS STOPPED: x']);
  await vi.waitFor(() => expect(first.text()).toMatch(/THE BOOT HAS STOPPED: x[\s\S]*prompt: /), patient);
  await first.terminal.close();
  const host = makeTransport();
  await ask(host, 100, 6);
  await host.close();
  await vi.waitFor(() => expect(agent.state).toBe('plain'), patient);
  const second = await openConsole('bare');
  const later = second.text;
  expect(logged).not.toContain('the rescue shell was left');
  await second.type('exit\r');
  await vi.waitFor(() => expect(logged).toContain('the rescue shell was left'), patient);
  await vi.waitFor(() => expect(later()).toContain('press Enter for a shell'), patient);
  agent.rescue(['once more']);
  await vi.waitFor(() => expect(later()).toContain('once more'), patient);
  agent.rescue(undefined);
  await vi.waitFor(() => expect(later()).toContain('the boot goes on'), patient);
});

test('a shell runs beside API requests, with the size it was given', async () => {
  plug();
  const transport = makeTransport();
  await ask(transport, 10, 7);
  const { terminal, text, type } = await openConsole('auto', { columns: 101, rows: 33 });
  expect(terminal.mode).toBe('shell');
  await type('stty size\r');
  await vi.waitFor(() => expect(text()).toContain('33 101'), patient);
  terminal.resize({ columns: 77, rows: 11 });
  await type('stty size\r');
  await Promise.all([ask(transport, 50_000, 8), vi.waitFor(() => expect(text()).toContain('11 77'), patient)]);
  const ended = new Promise((resolve) => terminal.once('closed', resolve));
  await type('exit\r');
  expect(await ended).toBeUndefined();
  await ask(transport, 100, 9);
});

test('the link comes back by itself when the device starts anew', async () => {
  plug();
  const transport = makeTransport();
  const lost: string[] = [];
  transport.onLost((reason) => lost.push(reason));
  await ask(transport, 10, 1);
  // Closing the tty loses the goodbye of a device that is switched off, so it is made to fail instead.
  const oldEnd = deviceEnd;
  deviceEnd = await createPty();
  unlinkSync(consolePath);
  symlinkSync(deviceEnd.path, consolePath);
  oldEnd.close();
  hostEnd.cable.removeAllListeners('data');
  plug();
  await vi.waitFor(() => expect(lost).toHaveLength(1), patient);
  await ask(transport, 1000, 2);
  expect(logged.some((line) => line.includes('opened again'))).toBe(true);
});

test('a tty that is opened again and again leaves nothing open', async () => {
  const openFiles = (): number =>
    readdirSync('/proc/self/fd').filter((name) => linkOf(name).startsWith('/dev/pts/')).length;
  await vi.waitFor(() => expect(agent.state).toBe('plain'), patient);
  const before = openFiles();
  for (let round = 1; round <= 3; round += 1) {
    const oldEnd = deviceEnd;
    deviceEnd = await createPty();
    unlinkSync(consolePath);
    symlinkSync(deviceEnd.path, consolePath);
    const greeted = new Promise((resolve) => deviceEnd.cable.once('data', resolve));
    oldEnd.close();
    await greeted;
  }
  expect(openFiles()).toBe(before);
});

test('two transports share one line, and the second takes it over when the first ends', async () => {
  plug();
  const [first, second] = [makeTransport(), makeTransport()];
  const lost: string[] = [];
  second.onLost((reason) => lost.push(reason));
  await ask(first, 10, 1);
  await Promise.all([ask(first, 20_000, 2), ask(second, 20_000, 3), ask(second, 5_000, 4)]);
  expect(lost).toEqual([]);
  await first.close();
  await vi.waitFor(() => expect(lost.join()).toContain('has closed it'), patient);
  await ask(second, 20_000, 5);
});

test('a bare console that wants the line for itself is not disturbed, and not opened on a link', async () => {
  plug();
  const { terminal } = await openConsole('bare');
  const transport = makeTransport();
  await expect(transport.open()).rejects.toThrow('is used as a bare console');
  await terminal.close();
  await ask(transport, 10, 1);
  await expect(openConsole('bare')).rejects.toThrow('carries a link: end what uses it');
});

test('a line on which nothing of Gantry answers is explained by what was printed', async () => {
  hostEnd.cable.once('data', () => hostEnd.cable.write('Debian GNU/Linux 13 box ttyS0\r\n\r\nbox login: '));
  const transport = makeTransport({ connectTimeoutMs: 700 });
  await expect(transport.open()).rejects.toThrow(/no Gantry answered[\s\S]*box login:/);
});

const libc = await loadLibc();

/** Bits per second that a tty is set to. */
function speedOf({ path }: Pty): number {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const termios = Buffer.alloc(44);
  const code = libc.ioctl(fd, 0x802c542a, termios);
  closeSync(fd);
  expect(code).toBe(0);
  return termios.readUInt32LE(40);
}

/** A cable between two ends that run at speeds of their own: what is sent at one speed is junk at another one. */
function plugAtSpeeds(isGood: () => boolean = () => true): void {
  const send = (from: Pty, to: Pty) => (chunk: Buffer) => {
    const [sent, heard] = [speedOf(from), speedOf(to)];
    const isFast = sent > 115_200;
    to.cable.write(
      sent === heard && (!isFast || isGood()) ? chunk : bytes(chunk.length, (chunk.length * heard) / sent),
    );
  };
  deviceEnd.cable.on('data', send(deviceEnd, hostEnd));
  hostEnd.cable.on('data', send(hostEnd, deviceEnd));
}

/** Above the safe speed, in bits per second; how far both get depends on how late this process and its cable are. */
async function agreedSpeed(): Promise<number> {
  return vi.waitFor(() => {
    const speed = speedOf(hostEnd);
    expect(speed).toBeGreaterThan(115_200);
    expect(speedOf(deviceEnd)).toBe(speed);
    expect(existsSync(savedSpeed)).toBe(true);
    return speed;
  }, patient);
}

/** A tty as a boot leaves it, whoever had it before. */
async function atSafeSpeed(): Promise<void> {
  await agent.close();
  execFileSync('stty', ['-F', deviceEnd.path, '115200']);
  agent = startAgent();
  await vi.waitFor(() => expect(agent.state).toBe('plain'), patient);
}

test('a host that may not use the API over the line is told why', async () => {
  await agent.close();
  agent = startAgent({ whyNoApi: () => 'this console asks for a password' });
  plug();
  const api = new ApiClient(new TransportAgent(() => makeTransport().open()));
  await expect(api.get('/gantry/v1/info', z.unknown())).rejects.toThrow(/this console asks for a password/);
});

test('both ttys run at the fast speed while there is a link, and at the safe one before and after', async () => {
  await atSafeSpeed();
  plugAtSpeeds();
  const host = makeTransport({ settings: 'fast=921600' });
  await ask(host, 100, 3);
  await agreedSpeed();
  expect(readFileSync(savedSpeed, 'utf8')).toBe('115200\n');
  await ask(host, 100_000, 4);
  await agreedSpeed();
  const guest = await takeLine(parseSerialTarget(`serial:${hostEnd.path}`));
  expect((await guest.control({ do: 'report' })).baud).toBeGreaterThan(115_200);
  await guest.close();
  await host.close();
  await vi.waitFor(() => expect(agent.state).toBe('plain'), patient);
  await vi.waitFor(() => expect(speedOf(deviceEnd)).toBe(115_200), patient);
  expect(existsSync(savedSpeed)).toBe(false);
  expect(execFileSync('stty', ['-F', deviceEnd.path], { encoding: 'utf8' })).toContain('speed 115200 baud');
  const person = await openConsole('bare', undefined, '');
  await person.type('\r');
  await vi.waitFor(() => expect(person.text()).toContain('prompt: '), patient);
});

test('both ttys are back at the safe speed when the fast one does not hold, and nothing is lost', async () => {
  await atSafeSpeed();
  let isGood = true;
  plugAtSpeeds(() => isGood);
  const host = makeTransport({ settings: 'fast=921600' });
  await ask(host, 100, 3);
  await agreedSpeed();
  isGood = false;
  await ask(host, 3000, 4);
  const speeds = () => [speedOf(deviceEnd), speedOf(hostEnd)];
  await vi.waitFor(() => expect(speeds()).toEqual([115_200, 115_200]), patient);
});

test('an agent that follows a killed one opens the tty at the safe speed', async () => {
  await agent.close();
  execFileSync('stty', ['-F', deviceEnd.path, '115200']);
  plugAtSpeeds();
  const options = { tty: consolePath, bootId: 'boot-1', printk, savedSpeed };
  const program = `
    const { connect } = await import('node:net');
    const { startConsoleAgent } = await import(${JSON.stringify(join(import.meta.dirname, 'agent.ts'))});
    const openApi = () => connect({ path: ${JSON.stringify(socketPath)}, allowHalfOpen: true });
    startConsoleAgent({ ...${JSON.stringify(options)}, openApi, openShell: () => {}, leftRescue() {}, log() {} });`;
  const first = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
  cleanups.push(() => void first.kill('SIGKILL'));
  const host = makeTransport({ settings: 'fast=921600' });
  await ask(host, 100, 3);
  const speed = await agreedSpeed();
  const lost: string[] = [];
  host.onLost((reason) => lost.push(reason));
  const ended = new Promise((resolve) => first.once('exit', resolve));
  first.kill('SIGKILL');
  await ended;
  expect(speedOf(deviceEnd)).toBe(speed);
  agent = startAgent();
  await vi.waitFor(() => expect(agent.state).toBe('plain'), patient);
  expect(speedOf(deviceEnd)).toBe(115_200);
  expect(existsSync(savedSpeed)).toBe(false);
  await vi.waitFor(() => expect(lost.join()).toContain('the device started anew'), patient);
  await ask(host, 1000, 5);
});

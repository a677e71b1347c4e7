import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLink, type Link } from '../../../shared/link/link.ts';
import type { Line } from '../line.ts';
import { takeLine } from '../take-line.ts';
import type { SerialTarget } from '../target.ts';
import { sharingPaths } from './paths.ts';

const patient = { timeout: 15_000, interval: 10 };
let folder = '';
let device: Server;
let link: Link | undefined;
let wires: Socket[];
let served: { stream: Duplex; service: string }[];
let target: SerialTarget;
let lines: Line[];

/** A device with a link at the other end of an emulator's socket, for one program at a time as QEMU has it. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-share-'));
  vi.stubEnv('XDG_RUNTIME_DIR', folder);
  lines = [];
  wires = [];
  served = [];
  target = { path: join(folder, 'serial.sock'), baud: 115_200, flow: 'none' };
  device = createServer((socket) => {
    wires.push(socket);
    link = createLink(socket, { role: 'device', bootId: 'boot-1' });
    link.on('stream', (stream, service) => {
      served.push({ stream, service });
      if (service === 'api') stream.pipe(stream);
    });
  });
  device.listen(target.path);
  await once(device, 'listening');
});

afterEach(async () => {
  for (const line of lines) await line.close();
  for (const wire of wires) wire.destroy();
  await new Promise((resolve) => device.close(resolve));
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function take(options: Partial<SerialTarget> = {}): Promise<Line> {
  const line = await takeLine({ ...target, ...options });
  lines.push(line);
  return line;
}

const patience = () => ({ timeoutMs: 10_000, signal: new AbortController().signal });

/** Another program that takes the line and says so; `held` resolves with what it says. */
function otherProgram() {
  const module = new URL('../take-line.ts', import.meta.url).pathname;
  const program = `
    const { takeLine } = await import(${JSON.stringify(module)});
    const line = await takeLine(${JSON.stringify(target)});
    const stream = await line.open('api', { timeoutMs: 10000, signal: new AbortController().signal });
    console.log(line.holder === process.pid ? 'holds' : 'shares');
    stream.resume();
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { child, held: once(child.stdout, 'data').then(([said]) => String(said).trim()) };
}

test('the second goes through the first: streams of both arrive whole, with their ends', async () => {
  const holder = await take();
  const guest = await take();
  expect([holder.holder, guest.holder]).toEqual([process.pid, process.pid]);
  const sent = Buffer.alloc(300_000, 'x1');
  const answers = await Promise.all(
    [holder, guest, guest].map(async (line) => {
      const stream = await line.open('api', patience());
      stream.end(sent);
      return buffer(stream);
    }),
  );
  for (const answer of answers) expect(answer.equals(sent)).toBe(true);
  expect((await guest.control({ do: 'report' })).guests).toBe(1);
  expect(guest.isUp).toBe(true);
});

test('console text reaches all, and what one types into the bare line reaches the device', async () => {
  const holder = await take();
  const guest = await take();
  const seen = [holder, guest].map((line) => {
    let all = '';
    line.on('text', (bytes) => {
      all += bytes.toString();
    });
    return () => all;
  });
  let typed = '';
  link?.on('text', (bytes) => {
    typed += bytes.toString();
  });
  const plain = await guest.openPlain({ exclusive: false });
  plain.write('boot\r');
  await vi.waitFor(() => expect(typed).toBe('boot\r'), patient);
  link?.writeText(Buffer.from('U-Boot 2025.01\r\n'));
  await vi.waitFor(() => expect(seen.map((all) => all())).toEqual(Array(2).fill('U-Boot 2025.01\r\n')), patient);
});

test('a stream that breaks at the device breaks at the guest, with the reason', async () => {
  await take();
  const guest = await take();
  const stream = await guest.open('api', patience());
  const broken = once(stream, 'error');
  stream.write('x');
  await vi.waitFor(() => expect(served).toHaveLength(1), patient);
  served[0]?.stream.destroy(new Error('the API went away'));
  expect(String((await broken)[0])).toContain('the API went away');
});

test('a guest that goes leaves no stream at the device', async () => {
  const holder = await take();
  const guest = await take();
  const stream = await guest.open('api', patience());
  stream.write('x');
  await vi.waitFor(() => expect(served).toHaveLength(1), patient);
  const closed = new Promise((resolve) => served[0]?.stream.once('close', resolve));
  stream.destroy();
  await guest.close();
  await closed;
  await vi.waitFor(async () => expect((await holder.control({ do: 'report' })).guests).toBe(0), patient);
});

test('when the holder ends the guest is told, and takes the line itself', async () => {
  const holder = await take();
  const guest = await take();
  const stream = await guest.open('api', patience());
  const broken = once(stream, 'error');
  const closed = once(guest, 'closed');
  await holder.close();
  expect(String((await closed)[0])).toContain('has closed it');
  await broken;
  const next = await take();
  expect(next.holder).toBe(process.pid);
  const again = await next.open('api', patience());
  again.end('hello');
  expect(await text(again)).toBe('hello');
});

test('another program takes part, and when it is killed while it holds the line the next one has it', async () => {
  const other = otherProgram();
  expect(await other.held).toBe('holds');
  const line = await take();
  expect(line.holder).toBe(other.child.pid);
  const stream = await line.open('api', patience());
  stream.on('error', () => undefined);
  const closed = once(line, 'closed');
  other.child.kill('SIGKILL');
  expect(String((await closed)[0])).toBe(`process ${other.child.pid}, which held the line, has ended`);
  const next = await take();
  expect(next.holder).toBe(process.pid);
  const again = await next.open('api', patience());
  again.end('hello');
  expect(await text(again)).toBe('hello');
  const third = otherProgram();
  expect(await third.held).toBe('shares');
  third.child.kill('SIGKILL');
});

test('only its user reaches the socket, and nothing is left of it', async () => {
  const holder = await take();
  const [path = ''] = sharingPaths(target.path);
  await vi.waitFor(() => expect(statSync(path).mode & 0o777).toBe(0o600), patient);
  await holder.close();
  expect(existsSync(path)).toBe(false);
});

test('other settings than the holder has are refused by name', async () => {
  await take();
  await expect(take({ baud: 9600 })).rejects.toThrow('is open at 115200 baud');
});

test('a program that says nonsense to the holder is let go, and the line stays', async () => {
  const holder = await take();
  const [path = ''] = sharingPaths(target.path);
  const { connect } = await import('node:net');
  for (const nonsense of [
    'GET / HTTP/1.1\r\n\r\n',
    Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]),
    Buffer.alloc(100, 0xff),
  ]) {
    const socket = connect(path);
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(nonsense);
    await once(socket, 'close');
  }
  const stream = await holder.open('api', patience());
  stream.end('still here');
  expect(await text(stream)).toBe('still here');
});

test('a holder whose port cannot be opened says so to all, and holds nothing', async () => {
  await new Promise((resolve) => device.close(resolve));
  const results = await Promise.allSettled([take(), take()]);
  for (const result of results) {
    expect(result.status).toBe('rejected');
    if (result.status === 'rejected') expect(String(result.reason)).toMatch(/there is no serial port|in use/);
  }
  device.listen(target.path);
  await once(device, 'listening');
  expect((await take()).holder).toBe(process.pid);
});

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadLibc } from '../../../init-container/native/libc.ts';
import { createPty } from '../../../test/support/pty.ts';
import { openPort } from './port.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-port-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a missing port, a file and an abandoned socket are told apart', async () => {
  const open = (path: string) => openPort({ path, baud: 115_200, flow: 'none' });
  await expect(open(join(folder, 'missing'))).rejects.toThrow('there is no serial port');
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await expect(open(file)).rejects.toThrow('is neither a serial port nor a socket');
});

test('a tty has a rate, a socket has none', async () => {
  const pty = await createPty();
  const tty = await openPort({ path: pty.path, baud: 115_200, flow: 'none' });
  expect(tty.bytesPerSecond).toBe(11_520);
  const received = new Promise((resolve) =>
    tty.stream.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1'))),
  );
  pty.cable.write('a\r\xf5');
  expect(await received).toContain('a\r');
  await new Promise((resolve) => tty.stream.destroy().once('close', resolve));
  pty.close();

  const path = join(folder, 'sock');
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const socket = await openPort({ path, baud: 115_200, flow: 'none' });
  expect(socket.bytesPerSecond).toBeUndefined();
  socket.stream.destroy();
  await new Promise((resolve) => server.close(resolve));
});

test('a port that is about to be let go is waited for, and one that is not is said to be in use', async () => {
  const pty = await createPty();
  const open = () => openPort({ path: pty.path, baud: 115_200, flow: 'none' });
  const lock = async (seconds: string) => {
    const child = spawn('flock', ['-F', pty.path, 'sh', '-c', `echo locked; exec sleep ${seconds}`]);
    await once(child.stdout, 'data');
    return child;
  };
  await lock('0.3');
  const port = await open();
  await new Promise((resolve) => port.stream.destroy().once('close', resolve));
  const child = await lock('60');
  await expect(open()).rejects.toThrow('in use by another program');
  child.kill();
  pty.close();
});

/** Bits per second, also a rate that stty has no name for: struct termios2. */
async function speedOf(path: string): Promise<number> {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const termios = Buffer.alloc(64);
  const { ioctl } = await loadLibc();
  const code = ioctl(fd, 0x802c542a /* TCGETS2 */, termios);
  closeSync(fd);
  if (code !== 0) throw new Error(`${path} does not tell its speed`);
  return termios.readUInt32LE(40);
}

const sttyOf = (path: string): string => execFileSync('stty', ['-F', path, '-a'], { encoding: 'utf8' });

test('a tty runs at any rate, also one that changes, with the flow control that was asked for', async () => {
  const pty = await createPty();
  const none = await openPort({ path: pty.path, baud: 9600, flow: 'none' });
  expect(sttyOf(pty.path)).toMatch(/speed 9600 baud[\s\S]* -crtscts[\s\S]* -ixon -ixoff/);
  await none.setBaudRate(921_600);
  expect(await speedOf(pty.path)).toBe(921_600);
  await none.setBaudRate(250_000);
  expect(await speedOf(pty.path)).toBe(250_000);
  await new Promise((resolve) => none.stream.destroy().once('close', resolve));
  const soft = await openPort({ path: pty.path, baud: 115_200, flow: 'xonxoff' });
  expect(sttyOf(pty.path)).toMatch(/ ixon ixoff/);
  await new Promise((resolve) => soft.stream.destroy().once('close', resolve));
  const hard = await openPort({ path: pty.path, baud: 115_200, flow: 'rtscts' });
  expect(sttyOf(pty.path)).toMatch(/ crtscts/);
  await new Promise((resolve) => hard.stream.destroy().once('close', resolve));
  pty.close();
});

test('what a port cannot do is said in words', async () => {
  const pty = await createPty();
  const { stream, modemLines, setLine, traffic } = await openPort({ path: pty.path, baud: 115_200, flow: 'none' });
  await expect(modemLines()).rejects.toThrow(`${pty.path} cannot tell its modem lines: it has no such thing`);
  await expect(setLine('dtr', false)).rejects.toThrow('cannot switch DTR: it has no such thing');
  expect(traffic()).toEqual({ received: 0, sent: 0 });
  await new Promise((resolve) => stream.destroy().once('close', resolve));
  pty.close();
});

test('a tty that is pulled out closes its stream', async () => {
  const pty = await createPty();
  const { stream } = await openPort({ path: pty.path, baud: 115_200, flow: 'none' });
  stream.on('error', () => {});
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.resume();
  pty.close();
  await closed;
  expect(stream.destroyed).toBe(true);
});

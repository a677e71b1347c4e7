import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { parseListen } from '../../src/shared/definition/listen.ts';
import { openListening, setAppend, socketAddress, takeDescriptor } from './sockets.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** What a server on the descriptor says to a caller; the server is left running. */
async function answerFrom(fd: number, target: { port?: number; path?: string; host?: string }): Promise<string> {
  const server: Server = createServer((socket) => socket.end('hello')).listen({ fd });
  cleanups.push(() => server.close());
  const socket = connect(target.path ? { path: target.path } : { host: target.host, port: target.port ?? 0 });
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(socket, 'close');
  return text;
}

test.each(['127.0.0.1', '::1'])('a socket at %s accepts connections', async (host) => {
  const port = await freePort();
  const text = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const fd = await openListening(parseListen(text), text);
  expect(await answerFrom(fd, { host, port })).toBe('hello');
});

test('a unix socket takes the place of the file that an older one left', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-socket-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'deep/x.sock');
  closeSync(await openListening({ family: 'unix', path }, path));
  const fd = await openListening({ family: 'unix', path }, path);
  expect(await answerFrom(fd, { path })).toBe('hello');
});

test('a port that is taken is told by its code', async () => {
  const port = await freePort();
  const address = { family: 'inet' as const, host: '127.0.0.1', port };
  const fd = await openListening(address, 'first');
  cleanups.push(() => closeSync(fd));
  await expect(openListening(address, 'second')).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('addresses are laid out as the kernel reads them', () => {
  expect(socketAddress({ family: 'inet', host: '1.2.3.4', port: 258 }).subarray(2, 8)).toEqual(
    Buffer.from([1, 2, 1, 2, 3, 4]),
  );
  const v6 = (host: string) => socketAddress({ family: 'inet6', host, port: 80 }).subarray(8, 24).toString('hex');
  expect(v6('::')).toBe('0'.repeat(32));
  expect(v6('2001:db8::1')).toBe('20010db8000000000000000000000001');
  expect(v6('1:2:3:4:5:6:7:8')).toBe('00010002000300040005000600070008');
  expect(v6('::ffff:1.2.3.4')).toBe('00000000000000000000ffff01020304');
});

test('a socket is taken back from another process and still holds its callers', async () => {
  const port = await freePort();
  const fd = await openListening({ family: 'inet', host: '127.0.0.1', port }, 'x');
  const holder = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  cleanups.push(() => holder.kill('SIGKILL'));
  await once(holder, 'spawn');
  closeSync(fd);
  // Nobody accepts: the kernel does, into the backlog.
  const caller = connect({ host: '127.0.0.1', port });
  cleanups.push(() => caller.destroy());
  await once(caller, 'connect');
  const back = await takeDescriptor(holder.pid ?? 0, 3);
  expect(back).toBeGreaterThan(2);
  expect(await answerFrom(back ?? -1, { host: '127.0.0.1', port })).toBe('hello');
  expect(await takeDescriptor(holder.pid ?? 0, 77)).toBeUndefined();
  expect(await takeDescriptor(2 ** 22 + 1, 3)).toBeUndefined();
});

test('two writers of one file overwrite each other until the older appends, too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-append-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'log');
  const older = openSync(file, 'w');
  const newer = openSync(file, 'a');
  cleanups.push(
    () => closeSync(older),
    () => closeSync(newer),
  );
  writeSync(newer, 'new line\n');
  const shared = await takeDescriptor(process.pid, older);
  await setAppend(shared ?? -1);
  closeSync(shared ?? -1);
  writeSync(older, 'old line\n');
  expect(readFileSync(file, 'utf8')).toBe('new line\nold line\n');
});

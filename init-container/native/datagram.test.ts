import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { DatagramSocket } from './datagram.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-datagram-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** With a program of another make: Node cannot send to such a socket. */
function send(path: string, text: string): void {
  const script =
    'use Socket; socket(S,AF_UNIX,SOCK_DGRAM,0)||die; defined send(S,$ARGV[1],0,sockaddr_un($ARGV[0]))||die';
  execFileSync('perl', ['-e', script, path, text]);
}

/** Resolves with the next message. */
function receiver() {
  const got: string[] = [];
  let wake: (() => void) | undefined;
  return {
    got,
    onMessage: (message: Buffer) => {
      got.push(message.toString());
      wake?.();
    },
    async until(count: number) {
      while (got.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return got;
    },
  };
}

test('messages come by themselves, in their order, and what is too long is cut', async () => {
  const path = join(folder, 'a');
  const { onMessage, until } = receiver();
  const socket = await DatagramSocket.bind(path, onMessage);
  send(path, 'READY=1');
  send(path, 'x'.repeat(5000));
  expect((await until(2)).map((text) => text.length)).toEqual([7, 4096]);
  socket.close();
});

test('a socket is taken over from another process that holds it, with what was sent to nobody', async () => {
  const path = join(folder, 'b');
  const first = await DatagramSocket.bind(path, () => undefined);
  const holder = spawn('sleep', ['1000'], { stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'ignore', first.fd] });
  await once(holder, 'spawn');
  first.close();
  send(path, 'READY=1');
  const { onMessage, until } = receiver();
  const second = await DatagramSocket.takeFrom(holder.pid ?? 0, path, onMessage);
  second?.drain();
  expect(await until(1)).toEqual(['READY=1']);
  send(path, 'STATUS=fine');
  expect(await until(2)).toEqual(['READY=1', 'STATUS=fine']);
  second?.close();
  expect(await DatagramSocket.takeFrom(holder.pid ?? 0, join(folder, 'a'), onMessage)).toBeUndefined();
  holder.kill();
});

test('a path that the kernel would cut is refused', async () => {
  await expect(DatagramSocket.bind(`/tmp/${'x'.repeat(120)}`, () => undefined)).rejects.toThrow('too long');
});

test('whoever sends without end does not keep this process from anything else', async () => {
  const path = join(folder, 'flood');
  let got = 0;
  let gotInTurn = 0;
  let most = 0;
  const newTurn = () => {
    most = Math.max(most, gotInTurn);
    gotInTurn = 0;
    turns = setImmediate(newTurn);
  };
  let turns = setImmediate(newTurn);
  const socket = await DatagramSocket.bind(path, () => {
    if (got >= 2000) flood.kill('SIGKILL');
    got++;
    gotInTurn++;
    // Slower than the sender is.
    const end = performance.now() + 0.2;
    while (performance.now() < end);
  });
  const script = `use Socket; socket(S,AF_UNIX,SOCK_DGRAM,0)||die; my $to = sockaddr_un($ARGV[0]);
    while (1) { send(S,"STATUS=x",0,$to) }`;
  const flood = spawn('perl', ['-e', script, path], { stdio: 'ignore' });
  while (got < 1000) await new Promise((resolve) => setTimeout(resolve, 20));
  flood.kill('SIGKILL');
  newTurn();
  clearImmediate(turns);
  socket.close();
  expect(most).toBeLessThan(200);
});

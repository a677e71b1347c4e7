import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { watchPeer } from './peer.ts';

async function pair(): Promise<{ client: Socket; peer: Socket; close: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-peer-'));
  const server = createServer({ allowHalfOpen: true }).listen(join(folder, 'socket'));
  await once(server, 'listening');
  const client = connect({ path: join(folder, 'socket'), allowHalfOpen: true });
  const [peer] = (await once(server, 'connection')) as [Socket];
  peer.on('error', () => undefined);
  peer.resume();
  const close = async () => {
    client.destroy();
    peer.destroy();
    server.close();
    await rm(folder, { recursive: true });
  };
  return { client, peer, close };
}

test('the end of input alone is not the end of the connection; closing it is', async () => {
  const { client, peer, close } = await pair();
  let gone = false;
  const told = new Promise<void>((resolve) => {
    watchPeer(peer, () => {
      gone = true;
      resolve();
    });
  });
  client.end();
  await once(peer, 'end');
  // Output still flows, and by the time it has arrived nobody was told anything.
  const received = once(client, 'data');
  peer.write('still here');
  expect(String((await received)[0])).toBe('still here');
  expect(gone).toBe(false);
  client.destroy();
  await told;
  expect(gone).toBe(true);
  await close();
});

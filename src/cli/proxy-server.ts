import { once } from 'node:events';
import { lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ExitError, exitCodes } from './exit-codes.ts';

export interface Proxy {
  /** Ends the connections and removes the socket. */
  close(): Promise<void>;
}

/**
 * Listens on a unix socket that only this user can open; joins each connection to a new stream of `dial`, half-close
 * included. A socket that is left over from an ended proxy is replaced; one that answers, or any other file, is not.
 */
export async function serveProxy(
  path: string,
  dial: () => Promise<Duplex>,
  complain: (text: string) => void,
): Promise<Proxy> {
  await removeStale(path);
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    client.on('error', () => undefined);
    dial().then(
      (stream) => join(client, stream),
      (error: Error) => {
        complain(`a connection failed: ${error.message}`);
        client.destroy();
      },
    );
  });
  // The socket is a way to root on the device: its mode must be right from the first moment.
  const before = process.umask(0o177);
  try {
    server.listen(path);
    await once(server, 'listening');
  } finally {
    process.umask(before);
  }
  return {
    close: async () => {
      server.close();
      for (const client of clients) client.destroy();
      await once(server, 'close');
    },
  };
}

function join(client: Socket, stream: Duplex): void {
  stream.on('error', () => client.destroy());
  stream.once('close', () => client.destroySoon());
  client.once('close', () => stream.destroy());
  client.pipe(stream);
  stream.pipe(client);
}

async function removeStale(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (!there) return;
  if (!there.isSocket())
    throw new ExitError(exitCodes.failed, `${path} exists and is no socket: name another with --socket`);
  const probe = connect(path);
  const answers = await Promise.race([
    once(probe, 'connect').then(() => true),
    once(probe, 'error').then(() => false),
  ]).catch(() => false);
  probe.destroy();
  if (answers)
    throw new ExitError(exitCodes.failed, `${path} is in use: is another proxy running? Name another with --socket`);
  await unlink(path);
}

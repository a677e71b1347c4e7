import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { type Transport, TransportError } from '../transport/transport.ts';
import { Connection } from './connection.ts';

/** A transport that opens streams when the test says so. */
function heldTransport() {
  const streams: PassThrough[] = [];
  let go: () => void = () => undefined;
  let lose: (reason: string) => void = () => undefined;
  const transport: Transport = {
    kind: 'ssh',
    description: 'ssh bench',
    open: async () => {
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      const stream = new PassThrough();
      streams.push(stream);
      return stream;
    },
    onLost: (listener) => {
      lose = listener;
      return () => undefined;
    },
    close: async () => undefined,
  };
  return { transport, streams, go: () => go(), lose: (reason: string) => lose(reason) };
}

it('stays closed when it is closed while the first connection is being made', async () => {
  const { transport, streams, go } = heldTransport();
  const connection = new Connection(transport);
  const connecting = connection.connect();
  await connection.close();
  go();
  await expect(connecting).rejects.toThrow('the connection was closed');
  expect(connection.current).toEqual({ state: 'closed', detail: 'closed' });
  expect(streams.map(({ destroyed }) => destroyed)).toEqual([true]);
});

it('shows what the other end said as text, never as commands', async () => {
  const { transport, go, lose } = heldTransport();
  const connection = new Connection(transport);
  const connecting = connection.connect();
  go();
  await connecting;
  lose('ssh bench: bye\x1b]0;owned\x07\nroot@host# ');
  expect(connection.current).toMatchObject({ state: 'reconnecting', detail: 'ssh bench: bye^Jroot@host# ' });
  await connection.close();
  expect(new TransportError('no: \x1b[2Jbusy\nlook there', { retry: true }).message).toBe('no: busy\nlook there');
});

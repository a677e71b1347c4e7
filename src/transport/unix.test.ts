import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UnixTransport } from './unix.ts';

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-unix-'));
  path = join(dir, 'api.sock');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('UnixTransport', () => {
  it('gives streams with half-close both ways, until it is closed', async () => {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      client.on('error', () => undefined);
      void text(client).then((said) => client.end(said.toUpperCase()));
    }).listen(path);
    await once(server, 'listening');
    const transport = new UnixTransport(path);
    const stream = await transport.open();
    stream.end('hello');
    expect(await text(stream)).toBe('HELLO');
    const idle = await transport.open();
    await transport.close();
    expect(idle.destroyed).toBe(true);
    await expect(transport.open()).rejects.toMatchObject({ name: 'TransportError', retry: false });
    server.close();
  });

  it('says why there is no connection, and whether waiting helps', async () => {
    const transport = new UnixTransport(path);
    await expect(transport.open()).rejects.toMatchObject({
      message: `there is no socket ${path}: does what serves it run?`,
      retry: true,
    });
    const long = new UnixTransport(`/tmp/${'x'.repeat(103)}`);
    await expect(long.open()).rejects.toMatchObject({
      message: expect.stringContaining('is 1 bytes too long for a socket (at most 107)'),
      retry: false,
    });
    writeFileSync(path, '');
    await expect(transport.open()).rejects.toMatchObject({
      message: expect.stringContaining('nothing answers on'),
      retry: true,
    });
  });
});

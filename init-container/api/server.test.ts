import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { UnknownComponentError } from '../supervisor/errors.ts';
import { containerRoutes } from './containers.ts';
import type { ApiContext } from './context.ts';
import { humanDuration } from './durations.ts';
import { boolOf, filtersOf, momentOf } from './filters.ts';
import { frame, framing, streamType } from './frames.ts';
import { findImage } from './images.ts';
import { jsonOf, readBody, sendJson } from './respond.ts';
import { HttpError, Router } from './router.ts';
import { type ApiServer, createApiServer } from './server.ts';
import { parseNetDev } from './stats.ts';

let folder: string;
let socketPath: string;
let api: ApiServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-api-'));
  socketPath = join(folder, 'docker.sock');
  api = createApiServer(
    '9.9.9',
    [
      {
        method: 'GET',
        pattern: '/echo/{name*}/json',
        handler: ({ response, params }) => sendJson(response, 200, params),
      },
      {
        method: 'POST',
        pattern: '/body',
        handler: async ({ request, response }) =>
          sendJson(response, 200, { size: (await readBody(request, 1000)).length }),
      },
      {
        method: 'GET',
        pattern: '/unknown',
        handler: () => {
          throw new UnknownComponentError('nosuch');
        },
      },
      {
        method: 'GET',
        pattern: '/broken',
        handler: () => {
          throw new Error('boom');
        },
      },
    ],
    [
      {
        pattern: '/exec/{id}/start',
        handler: async ({ params, body, accept, apiMinor }) => {
          if (params.id === 'missing') throw new HttpError(404, 'No such exec instance: missing');
          const socket = accept('application/vnd.docker.raw-stream');
          const input = await text(socket);
          socket.end(`${apiMinor}|${body}|${input}`);
        },
      },
    ],
  );
  // A socket that a killed predecessor left behind is no obstacle.
  await writeFile(socketPath, '');
  await api.listen(socketPath);
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

async function ask(method: string, path: string, body?: string): Promise<{ response: IncomingMessage; body: string }> {
  const request = httpRequest({ socketPath, method, path });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { response, body: await text(response) };
}

test('the socket is for root and its group only', async () => {
  expect((await stat(socketPath)).mode & 0o777).toBe(0o660);
});

test('paths with and without a version, and names with slashes', async () => {
  for (const path of ['/echo/a%2Fb/c:1/json', '/v1.44/echo/a/b/c:1/json']) {
    const { response, body } = await ask('GET', path);
    expect([response.statusCode, JSON.parse(body)]).toEqual([200, { name: 'a/b/c:1' }]);
    expect(response.headers['content-type']).toBe('application/json');
    expect(response.headers).toMatchObject({ 'api-version': '1.46', ostype: 'linux', server: 'Docker/9.9.9 (linux)' });
  }
});

test('versions outside the range are refused in the words that clients know', async () => {
  const [high, low] = [await ask('GET', '/v1.99/echo/x/json'), await ask('GET', '/v1.12/echo/x/json')];
  expect([high.response.statusCode, low.response.statusCode]).toEqual([400, 400]);
  expect(high.body).toContain('client version 1.99 is too new. Maximum supported API version is 1.46');
  expect(low.body).toContain('client version 1.12 is too old. Minimum supported API version is 1.24');
});

test('errors are JSON with a message, exactly application/json', async () => {
  const answers = [
    await ask('GET', '/nowhere'),
    await ask('GET', '/unknown'),
    await ask('POST', '/unknown'),
    await ask('GET', '/broken'),
    await ask('POST', '/body', 'x'.repeat(2000)),
  ];
  expect(answers.map(({ response }) => response.statusCode)).toEqual([404, 404, 405, 500, 413]);
  expect(new Set(answers.map(({ response }) => response.headers['content-type']))).toEqual(
    new Set(['application/json']),
  );
  expect(answers.map(({ body }) => typeof JSON.parse(body).message)).toEqual(Array(5).fill('string'));
  expect(JSON.parse(answers[1]?.body ?? '').message).toBe('No such container: nosuch');
});

describe('a hijacked connection', () => {
  const head = (path: string, length: number) =>
    `POST ${path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

  test('the body is cut off the stream however the bytes arrive, and the rest is input', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), fc.array(fc.nat(200), { maxLength: 4 }), async (body, input, cuts) => {
        const bytes = Buffer.from(body);
        const whole = Buffer.concat([
          Buffer.from(head('/v1.40/exec/x/start', bytes.length)),
          bytes,
          Buffer.from(input),
        ]);
        const socket = connect({ path: socketPath, allowHalfOpen: true });
        let from = 0;
        for (const cut of [...cuts, whole.length]) {
          const to = Math.min(whole.length, from + cut);
          await new Promise((resolve) => socket.write(whole.subarray(from, to), resolve));
          from = to;
        }
        socket.end();
        const answer = await text(socket);
        expect(answer).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n/);
        expect(answer.split('\r\n\r\n').slice(1).join('\r\n\r\n')).toBe(
          `40|${bytes.toString()}|${Buffer.from(input).toString()}`,
        );
      }),
      { numRuns: 50 },
    );
  });

  test('an error before it is accepted is an answer like any other', async () => {
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    socket.end(head('/exec/missing/start', 0));
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain('Content-Type: application/json\r\n');
    expect(answer).toContain('{"message":"No such exec instance: missing"}');
  });

  test('an upgrade nobody asked for is answered as a plain request', async () => {
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    socket.end('GET /echo/x/json HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

test("Docker's booleans", () => {
  expect(['', '0', 'no', 'False', ' none '].some(boolOf)).toBe(false);
  expect(['1', 'true', 'yes', 'x'].every(boolOf)).toBe(true);
  expect(boolOf(null)).toBe(false);
});

test('filters in both shapes', () => {
  expect(filtersOf('{"type":["container"]}')).toEqual(new Map([['type', ['container']]]));
  expect(filtersOf('{"type":{"container":true,"image":false}}')).toEqual(new Map([['type', ['container']]]));
  expect(() => filtersOf('{')).toThrow('not JSON');
  expect(() => filtersOf('7')).toThrow('not a JSON object');
});

test('moments keep their nanoseconds', () => {
  expect(momentOf('since', '1700000000.123456789')).toBe(1_700_000_000_123_456_789n);
  expect(momentOf('since', '1700000000')).toBe(1_700_000_000_000_000_000n);
  expect([momentOf('since', null), momentOf('since', '0')]).toEqual([undefined, undefined]);
  expect(() => momentOf('since', 'soon')).toThrow('since=soon');
});

test('frames can be taken apart again, whatever was in them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 })), async (chunks) => {
      const stream = framing(2);
      for (const chunk of chunks) stream.write(Buffer.from(chunk));
      stream.end();
      const all = Buffer.concat(await stream.toArray());
      expect(all).toEqual(Buffer.concat(chunks.map((chunk) => frame(2, Buffer.from(chunk)))));
      let offset = 0;
      const seen: Buffer[] = [];
      while (offset < all.length) {
        expect([...all.subarray(offset, offset + 4)]).toEqual([2, 0, 0, 0]);
        const length = all.readUInt32BE(offset + 4);
        seen.push(all.subarray(offset + 8, offset + 8 + length));
        offset += 8 + length;
      }
      expect(Buffer.concat(seen)).toEqual(Buffer.concat(chunks));
    }),
  );
  expect(
    [streamType(false, 44), streamType(false, 41), streamType(true, 44)].map((type) => type.includes('multiplexed')),
  ).toEqual([true, false, false]);
});

test('spans of time as Docker words them', () => {
  const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000] as const;
  const spans = [
    500,
    second,
    59 * second,
    minute,
    59 * minute,
    hour,
    47 * hour,
    3 * day,
    20 * day,
    90 * day,
    800 * day,
  ];
  expect(spans.map(humanDuration)).toEqual([
    'Less than a second',
    '1 second',
    '59 seconds',
    'About a minute',
    '59 minutes',
    'About an hour',
    '47 hours',
    '3 days',
    '2 weeks',
    '3 months',
    '2 years',
  ]);
});

test('images by reference, digest and a unique beginning of it', () => {
  const image = (digit: string, refs: string[]) => ({
    digest: `sha256:${digit.repeat(64)}` as const,
    refs,
    createdAt: '',
    sizeBytes: 0,
  });
  const images = [image('a', ['web:1', 'reg.example/x/web']), image('b', ['web:2'])];
  for (const name of ['web:1', 'reg.example/x/web:latest', 'aaaa', 'sha256:aaaaaa']) {
    expect(findImage(images, name).refs[0]).toBe('web:1');
  }
  expect(() => findImage(images, 'web')).toThrow('No such image: web');
});

test('network counters', () => {
  const dev =
    'Inter-|   Receive\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 10 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0\n';
  expect(parseNetDev(dev)).toEqual({
    eth0: {
      rx_bytes: 10,
      rx_packets: 2,
      rx_errors: 3,
      rx_dropped: 4,
      tx_bytes: 50,
      tx_packets: 6,
      tx_errors: 7,
      tx_dropped: 8,
    },
  });
});

test('a path that is not validly encoded is a bad request, not a crash', () => {
  expect(() =>
    new Router([{ method: 'GET', pattern: '/x/{id}', handler: () => undefined }]).match('GET', '/x/%ff'),
  ).toThrow(HttpError);
});

test('a body is checked: what is no JSON, or other JSON, is a bad request', () => {
  const schema = z.object({ Tty: z.boolean().nullish() });
  expect(jsonOf(Buffer.from(''), schema)).toEqual({});
  expect(jsonOf(Buffer.from('{"Tty":true}'), schema)).toEqual({ Tty: true });
  for (const body of ['{', '{"Tty":3}', '[]']) {
    expect(() => jsonOf(Buffer.from(body), schema)).toThrow(expect.objectContaining({ status: 400 }));
  }
});

test('docker wait means one container, and tells its own exit code', async () => {
  const events = new EventEmitter();
  const web = { name: 'web', id: 'a'.repeat(64), running: true, state: { exitCode: 9 } };
  const supervisor = { find: () => web, events };
  const route = containerRoutes({ supervisor } as unknown as ApiContext).find(({ pattern }) =>
    pattern.endsWith('/wait'),
  );
  const other = createApiServer('0', route ? [route] : [], []);
  const path = join(folder, 'wait.sock');
  await other.listen(path);
  const request = httpRequest({ socketPath: path, method: 'POST', path: '/containers/web/wait' }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const end = (id: string, exitCode: string) =>
    events.emit('event', { action: 'die', component: 'web', id, attributes: { exitCode } });
  end('b'.repeat(64), '1');
  end(web.id, '7');
  expect(JSON.parse(await text(response))).toEqual({ StatusCode: 7, Error: null });
  await other.close();
});

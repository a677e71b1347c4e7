import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HealthMonitor, hasHealthcheck, healthSettings } from './health.ts';
import { probe, splitAddress, testCommand } from './probe.ts';

const target = { name: 'x', pid: 1, hostNetwork: true };

test('an interval that no timer can count is the longest that one can', () => {
  expect(healthSettings({ interval: '1000h' }).intervalMs).toBe(2 ** 31 - 1);
});

describe('judging', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Runs a monitor for `ms` against an answer that may change, and tells what it said and when. */
  async function watch(
    ms: number,
    healthyAt: (now: number) => boolean,
    options: { status?: 'healthy'; start_period?: string } = {},
  ) {
    const began = performance.now();
    const said: [number, string][] = [];
    const now = () => Math.round(performance.now() - began);
    const monitor = new HealthMonitor({
      settings: healthSettings({ interval: '10s', retries: 3, start_period: options.start_period }),
      status: options.status,
      runningMs: 0,
      probe: async () => ({ exitCode: healthyAt(now()) ? 0 : 1, output: 'x'.repeat(10_000) }),
      onChange: (status) => said.push([now(), status]),
    });
    await vi.advanceTimersByTimeAsync(ms);
    monitor.stop();
    return { said, monitor };
  }

  test('while starting it asks twice a second, so that health is seen soon', async () => {
    expect((await watch(20_000, (now) => now >= 1200)).said).toEqual([[1500, 'healthy']]);
  });

  test('it gives up when Compose would: after start_period and retries times the interval', async () => {
    expect((await watch(60_000, () => false)).said).toEqual([[30_000, 'unhealthy']]);
    expect((await watch(60_000, () => false, { start_period: '20s' })).said).toEqual([[50_000, 'unhealthy']]);
  });

  test('once healthy, it takes three failures in a row; one success is enough to come back', async () => {
    const { said } = await watch(100_000, (now) => now < 5000 || (now > 15_000 && now < 25_000) || now > 75_000);
    expect(said.map(([, status]) => status)).toEqual(['healthy', 'unhealthy', 'healthy']);
  });

  test('what was healthy before a restart of the init container stays so without being said again', async () => {
    expect((await watch(30_000, () => true, { status: 'healthy' })).said).toEqual([]);
  });

  test('what is asked for at once is asked once, and the rhythm goes on', async () => {
    let asked = 0;
    const monitor = new HealthMonitor({
      settings: healthSettings({ interval: '10s' }),
      status: 'healthy',
      runningMs: 0,
      probe: async () => {
        asked++;
        return { exitCode: 0, output: '' };
      },
      onChange: () => undefined,
    });
    await vi.advanceTimersByTimeAsync(5000);
    monitor.checkNow();
    monitor.checkNow();
    await vi.advanceTimersByTimeAsync(9000);
    expect(asked).toBe(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBe(3);
    monitor.stop();
  });

  test('the last five answers are kept, cut to a sane length', async () => {
    const { monitor } = await watch(30_000, () => false);
    expect(monitor.log).toHaveLength(5);
    expect(monitor.log[0]?.output).toHaveLength(4096);
  });
});

test('what counts as a health check', () => {
  expect(
    [undefined, {}, { test: ['NONE'] }, { tcp: 'a:1', disable: true }].some((check) => hasHealthcheck(check)),
  ).toBe(false);
  expect(
    [{ test: 'true' }, { http: 'http://x/' }, { tcp: 'a:1' }, { ready: true as const }].every((check) =>
      hasHealthcheck(check),
    ),
  ).toBe(true);
});

test('the forms of a test command', () => {
  expect(testCommand('a b')).toEqual(['/bin/sh', '-c', 'a b']);
  expect(testCommand(['CMD-SHELL', 'a b'])).toEqual(['/bin/sh', '-c', 'a b']);
  expect(testCommand(['CMD', 'a', 'b'])).toEqual(['a', 'b']);
  expect(splitAddress('[::1]:80')).toEqual({ host: '::1', port: 80 });
});

test('http: 2xx and 3xx are healthy, other answers and none are not', async () => {
  const server = createHttpServer((request, response) => {
    if (request.url === '/silent') return;
    response.writeHead(Number(request.url?.slice(1)), { location: '/elsewhere' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = (path: string, timeoutMs = 5000) =>
    probe({ http: `http://127.0.0.1:${port}/${path}` }, target, timeoutMs);
  expect((await ask('204')).exitCode).toBe(0);
  expect((await ask('302')).exitCode).toBe(0);
  expect(await ask('503')).toMatchObject({ exitCode: 1, output: expect.stringContaining('503') });
  expect((await ask('silent', 50)).exitCode).toBe(-1);
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  expect(await ask('200')).toMatchObject({ exitCode: 1, output: expect.stringContaining('ECONNREFUSED') });
});

test('tcp: an accepted connection is healthy', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect((await probe({ tcp: `127.0.0.1:${port}` }, target, 5000)).exitCode).toBe(0);
  server.close();
  await once(server, 'close');
  expect((await probe({ tcp: `127.0.0.1:${port}` }, target, 5000)).exitCode).toBe(1);
});

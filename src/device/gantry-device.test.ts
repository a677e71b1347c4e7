import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { cursorFrame, frame, noteFrame } from '../../init-container/api/frames.ts';
import { sendEmpty, sendJson } from '../../init-container/api/respond.ts';
import { HttpError, type Route } from '../../init-container/api/router.ts';
import type { UpgradeRoute } from '../../init-container/api/server.ts';
import { TransportError } from '../transport/transport.ts';
import { UnixTransport } from '../transport/unix.ts';
import { jsonRoute, TestDevice, TestExecs, testComponent, testInfo } from './api-server.testing.ts';
import type { ConnectionState } from './device.ts';
import { ApiError, UnknownComponentError } from './errors.ts';
import { GantryDevice } from './gantry-device.ts';

const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

async function connect(
  routes: Route[],
  upgrades: UpgradeRoute[] = [],
): Promise<{ server: TestDevice; device: GantryDevice }> {
  const server = await new TestDevice(routes, upgrades).start();
  cleanup.push(() => server.remove());
  const device = new GantryDevice('bench', new UnixTransport(server.path));
  cleanup.push(() => device.close());
  await device.connect();
  return { server, device };
}

function until(device: GantryDevice, wanted: ConnectionState['state']): Promise<void> {
  return new Promise((resolve) => {
    if (device.connection.current.state === wanted) return resolve();
    const stop = device.connection.subscribe(({ state }) => {
      if (state !== wanted) return;
      stop();
      resolve();
    });
  });
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const components = jsonRoute('GET', '/gantry/v1/components', () => [
  testComponent('web'),
  testComponent('mosquitto'),
  testComponent('kernel', { kind: 'kernel', id: undefined }),
]);
const noContainer: Route = {
  method: 'GET',
  pattern: '/containers/{id}/json',
  handler: ({ params }) => {
    throw new HttpError(404, `No such container: ${params.id}`);
  },
};

describe('reading', () => {
  it('gives what the device says, over one connection for many requests', async () => {
    const { server, device } = await connect([jsonRoute('GET', '/gantry/v1/device', () => testInfo), components]);
    expect(await device.info()).toEqual(testInfo);
    expect((await device.components()).map(({ name }) => name)).toEqual(['web', 'mosquitto', 'kernel']);
    await device.info();
    expect(server.connections).toBe(1);
  });

  it('makes texts of the device safe', async () => {
    const evil = { ...testInfo, hostname: 'a\x1b]0;title\x07b\nc' };
    const { device } = await connect([jsonRoute('GET', '/gantry/v1/device', () => evil)]);
    expect((await device.info()).hostname).toBe('ab^Jc');
  });

  it('says which part of an answer is unexpected', async () => {
    const { device } = await connect([jsonRoute('GET', '/gantry/v1/device', () => ({ ...testInfo, arch: 'vax' }))]);
    await expect(device.info()).rejects.toThrow(
      /\/gantry\/v1\/device with something unexpected \(arch: .*the device is newer than this gantry/,
    );
  });

  const { cpus: _new, ...older } = testInfo;
  it.each([
    ['0.0.9', testInfo.cpus, 'the device (Gantry 0.0.9) is older than this gantry (0.1.0). Swap its init container'],
    ['99.0.0', testInfo.cpus, 'the device (Gantry 99.0.0) is newer than this gantry (0.1.0). Use the gantry'],
    ['0.1.0', undefined, 'the device is older than this gantry (0.1.0). Swap its init container'],
    ['0.1.0\x1b', 'two', 'is it another version of Gantry?'],
  ])('says which side is older: %j with cpus: %j', async (version, cpus, words) => {
    const { device } = await connect([
      {
        method: 'GET',
        pattern: '/gantry/v1/device',
        handler: ({ response }) => {
          response.setHeader('Server', `Docker/${version.replace('\x1b', '')} (linux)`);
          sendJson(response, 200, { ...older, kernel: cpus === testInfo.cpus ? 6 : '6.12', cpus });
        },
      },
    ]);
    await expect(device.info()).rejects.toThrow(words);
  });

  it('says that a device which lacks a route is older, and that a Docker engine is no device', async () => {
    const { device } = await connect([]);
    await expect(device.collectGarbage(true)).rejects.toThrow(
      /POST \/gantry\/v1\/gc is not part of this device's API\. the device is older than this gantry/,
    );
    const page = () => {
      throw new HttpError(404, 'page not found');
    };
    const { device: engine } = await connect([{ method: 'GET', pattern: '/gantry/v1/device', handler: page }]);
    await expect(engine.info()).rejects.toThrow('knows no GET /gantry/v1/device: is it a Gantry device');
  });

  it('passes on why the device refuses', async () => {
    const { device } = await connect([
      {
        method: 'GET',
        pattern: '/gantry/v1/device',
        handler: () => {
          throw new HttpError(503, 'not \x1b[31myet');
        },
      },
    ]);
    const error = await device.info().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 503, message: 'not yet' });
  });

  it('offers the nearest names for an unknown component', async () => {
    const { device } = await connect([components, noContainer]);
    const error = await device.inspect('wbe').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnknownComponentError);
    expect(error).toMatchObject({ nearest: ['web'] });
    expect((error as Error).message).toBe('there is no component "wbe" on this device. Did you mean web?');
  });

  it('says that the kernel is no system container', async () => {
    const { device } = await connect([components, noContainer]);
    await expect(device.inspect('kernel')).rejects.toThrow("kernel is this device's kernel, not a system container");
  });

  it('is not disturbed by an unusable DOCKER_HOST', async () => {
    process.env.DOCKER_HOST = 'http://a b';
    try {
      const { device } = await connect([jsonRoute('GET', '/containers/web/json', () => ({ Name: '/web' }))]);
      expect(await device.inspect('web')).toEqual({ Name: '/web' });
      expect(process.env.DOCKER_HOST).toBe('http://a b');
    } finally {
      delete process.env.DOCKER_HOST;
    }
  });
});

const unknownExec: Route = {
  method: 'POST',
  pattern: '/containers/{id}/exec',
  handler: noContainer.handler,
};

describe('starting and stopping', () => {
  it('takes "already so" for done', async () => {
    const asked: string[] = [];
    const { device } = await connect([
      {
        method: 'POST',
        pattern: '/containers/{id}/{verb}',
        handler: ({ params, response }) => {
          asked.push(`${params.verb} ${params.id}`);
          sendEmpty(response, params.verb === 'restart' ? 204 : 304);
        },
      },
    ]);
    await device.start('web');
    await device.stop('web');
    await device.restart('web');
    expect(asked).toEqual(['start web', 'stop web', 'restart web']);
  });
});

describe('logs', () => {
  const line = (stream: number, text: string) => frame(stream, Buffer.from(text));
  const place = (text: string) => frame(cursorFrame, Buffer.from(text));
  const route = (handler: Route['handler']): Route => ({ method: 'GET', pattern: '/gantry/v1/logs/web', handler });

  it('come line by line with their times, made safe, wherever the chunks break', async () => {
    const frames = Buffer.concat([
      line(1, '2030-01-01T00:00:00.000000001Z one\n'),
      place('a'),
      line(2, '2030-01-01T00:00:01.5Z \x1b[31mtwo\x1b]52;c;x\x07\n'),
      line(noteFrame, '2030-01-01T00:00:02Z gantry: older lines are missing here\n'),
      line(1, '2030-01-01T00:00:03Z unfinished'),
    ]);
    let query: URLSearchParams | undefined;
    const { device } = await connect([
      route(async (call) => {
        query = call.query;
        call.response.writeHead(200);
        for (const byte of frames) call.response.write(Buffer.of(byte));
        call.response.end();
      }),
    ]);
    expect(await all(device.logs('web', { timestamps: true, tail: 5, since: 12.5 }))).toEqual([
      { stream: 'stdout', time: '2030-01-01T00:00:00.000000001Z', text: 'one' },
      { stream: 'stderr', time: '2030-01-01T00:00:01.5Z', text: '\x1b[31mtwo\x1b[0m' },
      { stream: 'stderr', time: '2030-01-01T00:00:02Z', text: 'gantry: older lines are missing here' },
      { stream: 'stdout', time: '2030-01-01T00:00:03Z', text: 'unfinished' },
    ]);
    expect(Object.fromEntries(query ?? [])).toEqual({ timestamps: '1', tail: '5', since: '12.5' });
  });

  it('are followed until the signal', async () => {
    const { device } = await connect([
      route(({ response }) => {
        response.writeHead(200);
        response.write(Buffer.concat([line(1, 'first\n'), line(1, 'second\n')]));
      }),
    ]);
    const stop = new AbortController();
    const lines: string[] = [];
    for await (const { text } of device.logs('web', { follow: true, signal: stop.signal })) {
      lines.push(text);
      if (lines.length === 2) stop.abort();
    }
    expect(lines).toEqual(['first', 'second']);
  });

  /** The log `0`, `1`, `2`, …: a cursor is the number of the next line. After `lines`, the connection breaks. */
  const counting = (lines: number, placeEvery: number, asked: string[]) =>
    route(({ response, query }) => {
      asked.push(query.toString());
      let next = Number(query.get('cursor') ?? 0);
      response.writeHead(200);
      response.write(place(String(next)));
      for (let count = 0; count < lines; count++) {
        response.write(line(1, `${next++}\n`));
        if (next % placeEvery === 0) response.write(place(String(next)));
      }
      response.write(line(1, 'half a li'), () => response.socket?.destroy());
    });

  it('go on after a break with the line after the last one, also where the device has not said where that is', async () => {
    const asked: string[] = [];
    const { device } = await connect([counting(7, 5, asked)]);
    const lines: string[] = [];
    for await (const { text } of device.logs('web', { follow: true, tail: 3 })) {
      lines.push(text);
      if (lines.length === 20) break;
    }
    expect(lines).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
    expect(asked.slice(0, 3)).toEqual(['follow=1&tail=3', 'follow=1&cursor=5', 'follow=1&cursor=10']);
  });

  it('fail at a break when the caller keeps the position, and go on there when asked again', async () => {
    const { device } = await connect([counting(3, 100, [])]);
    const position = {};
    const lines: string[] = [];
    for (let attempt = 0; attempt < 2; attempt++) {
      const reading = async () => {
        for await (const { text } of device.logs('web', { follow: true, position })) lines.push(text);
      };
      await expect(reading()).rejects.toBeInstanceOf(TransportError);
    }
    expect(lines).toEqual(['0', '1', '2']);
    expect(position).toEqual({ cursor: '0', linesSince: 3 });
  });

  it('fail at a break when nothing is followed', async () => {
    const { device } = await connect([counting(1, 1, [])]);
    await expect(all(device.logs('web'))).rejects.toBeInstanceOf(TransportError);
  });

  it('say whose log there is none of', async () => {
    const { device } = await connect([components]);
    await expect(all(device.logs('wbe'))).rejects.toBeInstanceOf(UnknownComponentError);
  });
});

describe('events', () => {
  const event = {
    Type: 'container',
    Action: 'die',
    Actor: { ID: 'abc', Attributes: { name: 'web' } },
    time: 1893456000,
    timeNano: 1893456000_000000000,
  };
  const route = (end: boolean, more: object = {}): Route => ({
    method: 'GET',
    pattern: '/events',
    handler: ({ response }) => {
      response.write(`${JSON.stringify({ ...event, ...more })}\n`);
      if (end) response.end();
    },
  });

  it('come one by one until the signal', async () => {
    const { device } = await connect([route(false)]);
    const stop = new AbortController();
    for await (const seen of device.events(stop.signal)) {
      expect(seen).toEqual({ time: '2030-01-01T00:00:00.000Z', type: 'container', action: 'die', component: 'web' });
      stop.abort();
    }
    expect(stop.signal.aborted).toBe(true);
  });

  it('of a time that is none are refused with a sentence', async () => {
    const { device } = await connect([route(true, { timeNano: 1e300 })]);
    await expect(all(device.events(new AbortController().signal))).rejects.toThrow(/something unexpected \(timeNano/);
  });

  it('throw when the device ends them', async () => {
    const { device } = await connect([route(true)]);
    await expect(all(device.events(new AbortController().signal))).rejects.toBeInstanceOf(TransportError);
  });
});

describe('sessions', () => {
  async function withExecs() {
    const execs = new TestExecs();
    return connect([...execs.routes, components, unknownExec], execs.upgrades);
  }

  it('keeps stdout and stderr apart without a terminal, with stdin to its end and the exit code', async () => {
    const { device } = await withExecs();
    const session = await device.exec('web', {
      command: ['sh', '-c', 'cat; echo "$A" >&2; exit 7'],
      tty: false,
      env: ['A=b c'],
    });
    session.stdin.end('in\n');
    expect(await Promise.all([text(session.stdout), text(session.stderr), session.exitCode])).toEqual([
      'in\n',
      'b c\n',
      7,
    ]);
  });

  it('carries megabytes without a terminal', async () => {
    const { device } = await withExecs();
    const session = await device.exec('web', { command: ['cat'], tty: false });
    const sent = 'y'.repeat(3 << 20);
    session.stdin.end(sent);
    const [out, code] = await Promise.all([text(session.stdout), session.exitCode]);
    expect(out.length).toBe(sent.length);
    expect(code).toBe(0);
  });

  it('has a terminal with a size that can change', async () => {
    const { device } = await withExecs();
    const size = { columns: 100, rows: 30 };
    const command = ['sh', '-c', 'stty size; read x; stty size; exit 3'];
    const session = await device.shell({ command, tty: true, size });
    let seen = '';
    session.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes('30 100') && !seen.includes('go')) {
        void session.resize(90, 20).then(() => session.stdin.write('go\n'));
      }
    });
    expect(await session.exitCode).toBe(3);
    expect(seen).toMatch(/30 100\r\n.*20 90\r\n/s);
  });

  it('fails when the connection breaks', async () => {
    const { server, device } = await withExecs();
    const session = await device.exec('web', { command: ['sh', '-c', 'echo up; exec sleep 100'], tty: false });
    session.stdout.once('data', () => void server.stop());
    await expect(session.exitCode).rejects.toThrow(/^the session broke off: /);
    expect(session.stdout.destroyed).toBe(true);
  });

  it('names the nearest component', async () => {
    const { device } = await withExecs();
    await expect(device.exec('webb', { command: ['true'], tty: false })).rejects.toThrow('Did you mean web?');
  });
});

describe('the connection', () => {
  it('is made anew when the device is back, and says so on the way', async () => {
    const { server, device } = await connect([jsonRoute('GET', '/gantry/v1/device', () => testInfo)]);
    const states: string[] = [];
    device.connection.subscribe(({ state }) => states.push(state));
    await server.stop();
    await expect(device.info()).rejects.toBeInstanceOf(TransportError);
    await until(device, 'reconnecting');
    await expect(device.info()).rejects.toThrow(/reconnecting: there is no socket/);
    await server.start();
    await until(device, 'connected');
    expect((await device.info()).hostname).toBe('bench');
    expect(new Set(states)).toEqual(new Set(['reconnecting', 'connected']));
  });

  it('fails at once when there is nothing at first, and waits when told to', async () => {
    const server = new TestDevice([jsonRoute('GET', '/gantry/v1/device', () => testInfo)]);
    cleanup.push(() => server.remove());
    await expect(new GantryDevice('bench', new UnixTransport(server.path)).connect()).rejects.toThrow(
      /there is no socket/,
    );
    const patient = new GantryDevice('bench', new UnixTransport(server.path));
    cleanup.push(() => patient.close());
    const connected = patient.connect(60_000);
    const tried = new Promise<void>((resolve) => patient.connection.subscribe(() => resolve()));
    await tried;
    await server.start();
    await connected;
    expect(patient.connection.current).toEqual({ state: 'connected' });
  });

  it('stays closed after close', async () => {
    const { device } = await connect([jsonRoute('GET', '/gantry/v1/device', () => testInfo)]);
    await device.close();
    expect(device.connection.current.state).toBe('closed');
    await expect(device.info()).rejects.toThrow('not connected: closed');
  });

  it('asks again when an idle connection turns out to be gone', async () => {
    let requests = 0;
    const { device } = await connect([
      {
        method: 'GET',
        pattern: '/gantry/v1/device',
        handler: ({ request, response }) => {
          requests++;
          // The second request on a connection meets its end.
          if (requests === 2) request.socket.destroy();
          else sendJson(response, 200, testInfo);
        },
      },
    ]);
    await device.info();
    await device.info();
    expect(requests).toBe(3);
  });
});

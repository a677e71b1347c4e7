import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type IPty, spawn as spawnPty } from '@lydell/node-pty';
import { framing, multiplexedStreamType, rawStreamType } from '../../init-container/api/frames.ts';
import { readJson, sendEmpty, sendJson } from '../../init-container/api/respond.ts';
import { HttpError, type Route } from '../../init-container/api/router.ts';
import { type ApiServer, createApiServer, type UpgradeRoute } from '../../init-container/api/server.ts';
import { type ComponentStatus, type DeviceInfo, deviceExecSchema } from '../shared/api/types.ts';
import { digestOf } from '../shared/oci/digest.ts';

/** The device's own HTTP server on a socket of this machine, with routes that a test gives. */
export class TestDevice {
  readonly path: string;
  readonly #dir: string;
  readonly #routes: Route[];
  readonly #upgrades: UpgradeRoute[];
  readonly #sockets = new Set<Socket>();
  #server: ApiServer | undefined;
  /** Connections since the start. */
  connections = 0;

  constructor(routes: Route[], upgrades: UpgradeRoute[] = []) {
    this.#dir = mkdtempSync(join(tmpdir(), 'gantry-device-'));
    this.path = join(this.#dir, 'api.sock');
    this.#routes = routes;
    this.#upgrades = upgrades;
  }

  async start(): Promise<this> {
    const api = createApiServer('0', this.#routes, this.#upgrades);
    api.server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    await api.listen(this.path);
    this.#server = api;
    return this;
  }

  /** As when the network goes away. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cutConnections();
    await this.#server?.close();
    this.#server = undefined;
    rmSync(this.path, { force: true });
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** A route that answers with what `answer` returns. */
export function jsonRoute(method: Route['method'], pattern: string, answer: () => unknown): Route {
  return { method, pattern, handler: ({ response }) => sendJson(response, 200, answer()) };
}

export const testInfo: DeviceInfo = {
  hostname: 'bench',
  arch: 'amd64',
  kernel: '6.12.0',
  image: { name: 'demo', id: digestOf('image') },
  bootId: 'b1',
  uptimeSeconds: 61.5,
  persistent: true,
  revision: { number: 3, digest: digestOf('revision') },
  init: { version: '0.1.0', pid: 9, startedAt: '2030-01-01T00:00:00Z', residentBytes: 46e6, privateBytes: 9e6 },
  cpus: 2,
  memory: { totalBytes: 1e9, availableBytes: 6e8 },
  watchdog: { device: '/dev/watchdog0', timeoutSeconds: 60, feeding: false, reason: 'web has not been well for 90 s' },
};

export function testComponent(name: string, more: Partial<ComponentStatus> = {}): ComponentStatus {
  const digest = digestOf(name);
  return {
    name,
    kind: 'service',
    image: `${name}:1`,
    digest,
    id: digest.slice(7),
    state: 'running',
    health: 'healthy',
    startedAt: '2030-01-01T00:00:00Z',
    restarts: 0,
    ...more,
  };
}

/** Docker's exec with real processes of this machine: pipes or a pseudo-terminal. */
export class TestExecs {
  readonly #execs = new Map<string, { cmd: string[]; tty: boolean; env: string[]; exitCode?: number }>();
  #pty: IPty | undefined;

  get routes(): Route[] {
    const create: Route['handler'] = async ({ request, response }) => {
      const { Cmd, Tty, Env } = await readJson(request, deviceExecSchema);
      const id = String(this.#execs.size + 1).padStart(12, '0');
      this.#execs.set(id, { cmd: Cmd.length > 0 ? Cmd : ['/bin/sh'], tty: Tty, env: Env ?? [] });
      sendJson(response, 201, { Id: id });
    };
    return [
      { method: 'POST', pattern: '/containers/web/exec', handler: create },
      { method: 'POST', pattern: '/gantry/v1/exec', handler: create },
      {
        method: 'POST',
        pattern: '/exec/{id}/resize',
        handler: ({ query, response }) => {
          this.#pty?.resize(Number(query.get('w')), Number(query.get('h')));
          sendEmpty(response, 200);
        },
      },
      {
        method: 'GET',
        pattern: '/exec/{id}/json',
        handler: ({ params, response }) => {
          const { exitCode } = this.#get(params.id);
          sendJson(response, 200, { Running: exitCode === undefined, ExitCode: exitCode ?? null });
        },
      },
    ];
  }

  get upgrades(): UpgradeRoute[] {
    return [
      {
        pattern: '/exec/{id}/start',
        handler: async ({ params, body, accept }) => {
          const exec = this.#get(params.id);
          const { ConsoleSize } = JSON.parse(body.toString()) as { ConsoleSize?: [number, number] };
          const env = { ...process.env, ...Object.fromEntries(exec.env.map((entry) => entry.split(/=(.*)/s))) };
          const [file = '', ...args] = exec.cmd;
          const socket = accept(exec.tty ? rawStreamType : multiplexedStreamType);
          exec.exitCode = exec.tty
            ? await this.#inTerminal(socket, file, args, env, ConsoleSize ?? [24, 80])
            : await withPipes(socket, spawn(file, args, { env }));
          socket.end();
        },
      },
    ];
  }

  #get(id: string | undefined) {
    const exec = this.#execs.get(id ?? '');
    if (!exec) throw new HttpError(404, `No such exec instance: ${id}`);
    return exec;
  }

  async #inTerminal(
    socket: Duplex,
    file: string,
    args: string[],
    env: NodeJS.ProcessEnv,
    [rows, cols]: [number, number],
  ): Promise<number> {
    const pty = spawnPty(file, args, { rows, cols, env });
    this.#pty = pty;
    pty.onData((data) => socket.write(data));
    socket.on('data', (data: Buffer) => pty.write(data.toString()));
    socket.once('close', () => pty.kill('SIGHUP'));
    return new Promise((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
  }
}

async function withPipes(socket: Duplex, child: ChildProcess): Promise<number> {
  if (child.stdin) socket.pipe(child.stdin);
  child.stdin?.on('error', () => undefined);
  socket.once('close', () => child.kill('SIGHUP'));
  child.stdout?.pipe(framing(1)).pipe(socket, { end: false });
  child.stderr?.pipe(framing(2)).pipe(socket, { end: false });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 137;
}

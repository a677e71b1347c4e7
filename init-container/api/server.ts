import { chmod, rename, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { journal } from '../native/journal.ts';
import { UnknownComponentError } from '../supervisor/errors.ts';
import { sendJson } from './respond.ts';
import { HttpError, type Route, Router } from './router.ts';

/** New enough for every docker CLI that is in use, old enough for the answers we give (1.52 changed events). */
export const apiVersion = '1.46';
export const minApiVersion = '1.24';

/** A request whose connection becomes a raw stream (Docker calls it hijacking). `body` was read already. */
export interface Upgrade {
  params: Record<string, string>;
  query: URLSearchParams;
  /** Minor version of the API the client speaks. */
  apiMinor: number;
  body: Buffer;
  /** Writes the 101 answer; then the socket is the caller's. Until then an error is answered as JSON. */
  accept: (contentType: string) => Duplex;
}

export interface UpgradeRoute {
  pattern: string;
  handler: (upgrade: Upgrade) => Promise<void>;
}

export interface ApiServer {
  server: Server;
  add(routes: Route[]): void;
  listen(path: string): Promise<void>;
  close(): Promise<void>;
}

const largestUpgradeBody = 64 * 1024;

/** The HTTP server of both APIs. Answers are sent with the headers every Docker client expects. */
export function createApiServer(version: string, routes: Route[], upgrades: UpgradeRoute[]): ApiServer {
  const router = new Router(routes);
  const upgradeRouter = new Router(
    upgrades.map(({ pattern }) => ({ method: 'POST', pattern, handler: () => undefined })),
  );
  const common = { 'Api-Version': apiVersion, Ostype: 'linux', Server: `Docker/${version} (linux)` };

  const server = createServer(
    {
      // Everything else with an Upgrade header (curl's h2c, BuildKit) is answered as if it had none.
      shouldUpgradeCallback: (request) =>
        request.method === 'POST' && upgradeRouter.match('POST', splitPath(request.url).path) !== undefined,
      requestTimeout: 0,
    },
    (request, response) => {
      for (const [name, value] of Object.entries(common)) response.setHeader(name, value);
      response.on('error', () => undefined);
      void answer(router, request, response);
    },
  );
  server.on('upgrade', (request, socket, head) => {
    void hijack(request, socket, head, upgradeRouter, upgrades, common);
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });

  return {
    server,
    add: (more) => router.add(more),
    listen: (path) => listen(server, path),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The socket appears under its name by rename, ready and with its rights: no client meets a half-made one. */
async function listen(server: Server, path: string): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  await rm(temporary, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(temporary, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(temporary, 0o660);
  await rename(temporary, path);
}

async function answer(router: Router, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { path, query } = splitPath(request.url);
    checkVersion(request.url);
    const match = router.match(request.method ?? '', path);
    if (match === 'method') throw new HttpError(405, `${request.method} is not possible for ${path}`);
    if (!match) throw new HttpError(404, `page not found: ${request.method} ${path} is not part of this device's API`);
    await match.route.handler({ request, response, params: match.params, query });
  } catch (error) {
    const { status, message } = explain(error);
    if (status === 500) journal(`${request.method} ${request.url}: ${(error as Error).stack ?? message}`);
    if (response.headersSent) response.destroy();
    else sendJson(response, status, { message });
  }
}

async function hijack(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  router: Router,
  upgrades: UpgradeRoute[],
  common: Record<string, string>,
): Promise<void> {
  socket.on('error', () => undefined);
  const headers = Object.entries(common).map(([name, value]) => `${name}: ${value}\r\n`);
  let accepted = false;
  try {
    const { path, query } = splitPath(request.url);
    checkVersion(request.url);
    const match = router.match('POST', path);
    const upgrade = upgrades.find(({ pattern }) => typeof match === 'object' && match.route.pattern === pattern);
    if (!upgrade || typeof match !== 'object') throw new HttpError(404, `page not found: ${path}`);
    const body = await readUpgradeBody(request, socket, head);
    const accept = (contentType: string) => {
      accepted = true;
      socket.write(
        `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${headers.join('')}\r\n`,
      );
      return socket;
    };
    await upgrade.handler({ params: match.params, query, apiMinor: apiMinorOf(request.url), body, accept });
  } catch (error) {
    const { status, message } = explain(error);
    if (status === 500) journal(`${request.method} ${request.url}: ${(error as Error).stack ?? message}`);
    if (accepted) {
      socket.destroy();
      return;
    }
    const text = `${JSON.stringify({ message })}\n`;
    socket.end(
      `HTTP/1.1 ${status} Error\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n${headers.join('')}\r\n${text}`,
    );
  }
}

/** Node stops parsing at an upgrade's headers: the body is the first bytes of the stream, and what follows is stdin. */
async function readUpgradeBody(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<Buffer> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (!Number.isInteger(length) || length < 0 || length > largestUpgradeBody) {
    throw new HttpError(400, `the body of an upgrade request must have a length up to ${largestUpgradeBody} bytes`);
  }
  let data = head;
  while (data.length < length) {
    const chunk: Buffer | null = socket.read();
    if (chunk) {
      data = Buffer.concat([data, chunk]);
      continue;
    }
    if (socket.readableEnded || socket.destroyed) throw new HttpError(400, 'the request ended before its body did');
    await new Promise<void>((resolve) => {
      for (const event of ['readable', 'end', 'close']) socket.once(event, resolve);
    });
  }
  if (data.length > length) socket.unshift(data.subarray(length));
  return data.subarray(0, length);
}

function explain(error: unknown): { status: number; message: string } {
  if (error instanceof HttpError) return { status: error.status, message: error.message };
  if (error instanceof UnknownComponentError) return { status: 404, message: error.message };
  return { status: 500, message: error instanceof Error ? error.message : String(error) };
}

/** The path without Docker's version prefix, and the query. */
function splitPath(url = '/'): { path: string; query: URLSearchParams } {
  const [path = '/', query = ''] = url.split(/\?(.*)/s);
  return { path: path.replace(/^\/v\d+\.\d+(?=\/)/, ''), query: new URLSearchParams(query) };
}

/** The API version a request was made for; ours when it names none. */
export function apiMinorOf(url = '/'): number {
  return Number(/^\/v\d+\.(\d+)\//.exec(url)?.[1] ?? apiVersion.split('.')[1]);
}

function checkVersion(url = '/'): void {
  const match = /^\/v(\d+)\.(\d+)\//.exec(url);
  if (!match) return;
  const asked = `${match[1]}.${match[2]}`;
  const number = (version: string) => {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return major * 1000 + minor;
  };
  if (number(asked) > number(apiVersion)) {
    throw new HttpError(400, `client version ${asked} is too new. Maximum supported API version is ${apiVersion}`);
  }
  if (number(asked) < number(minApiVersion)) {
    const advice = 'please upgrade your client to a newer version';
    throw new HttpError(
      400,
      `client version ${asked} is too old. Minimum supported API version is ${minApiVersion}, ${advice}`,
    );
  }
}

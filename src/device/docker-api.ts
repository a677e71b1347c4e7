import type { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import type Dockerode from 'dockerode';
import { sanitizeLine } from '../shared/text/sanitize.ts';
import { TransportError } from '../transport/transport.ts';
import { apiHost } from './api-client.ts';
import { ApiError } from './errors.ts';

/** dockerode over a transport's agent. It loads slowly, so it is loaded by the first call that needs it. */
export class DockerApi {
  readonly #agent: Agent;
  #docker: Promise<Dockerode> | undefined;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  inspect(name: string): Promise<unknown> {
    return this.#call((docker) => docker.getContainer(name).inspect());
  }

  async start(name: string): Promise<void> {
    await this.#call((docker) => docker.getContainer(name).start(), [304]);
  }

  async stop(name: string): Promise<void> {
    await this.#call((docker) => docker.getContainer(name).stop(), [304]);
  }

  async restart(name: string): Promise<void> {
    await this.#call((docker) => docker.getContainer(name).restart());
  }

  /** The id of a new exec, not started yet. */
  async createExec(name: string, options: Dockerode.ExecCreateOptions): Promise<string> {
    return this.#call(async (docker) => (await docker.getContainer(name).exec(options)).id);
  }

  /** The raw stream of an exec, both ways. */
  startExec(id: string, tty: boolean, size: { columns: number; rows: number } | undefined): Promise<Duplex> {
    const console = size && { ConsoleSize: [size.rows, size.columns] };
    return this.#call((docker) =>
      docker.getExec(id).start({ hijack: true, stdin: true, Detach: false, Tty: tty, ...console }),
    );
  }

  async resizeExec(id: string, size: { columns: number; rows: number }): Promise<void> {
    await this.#call((docker) => docker.getExec(id).resize({ h: size.rows, w: size.columns }));
  }

  inspectExec(id: string): Promise<unknown> {
    return this.#call((docker) => docker.getExec(id).inspect());
  }

  /** `accept`: statuses that dockerode takes for errors and we do not (304: it is so already). */
  async #call<T>(use: (docker: Dockerode) => Promise<T>, accept: number[] = []): Promise<T | (undefined & T)> {
    this.#docker ??= load(this.#agent);
    try {
      return await use(await this.#docker);
    } catch (error) {
      const { statusCode } = error as { statusCode?: number };
      if (statusCode !== undefined && accept.includes(statusCode)) return undefined as T & undefined;
      throw explain(error as Error);
    }
  }
}

async function load(agent: Agent): Promise<Dockerode> {
  const { default: Docker } = await import('dockerode');
  // Its constructor reads DOCKER_HOST and DOCKER_CERT_PATH even when told everything, and throws if they are unusable.
  const { DOCKER_HOST, DOCKER_CERT_PATH } = process.env;
  delete process.env.DOCKER_HOST;
  delete process.env.DOCKER_CERT_PATH;
  try {
    return new Docker({ protocol: 'http', host: apiHost, port: 80, agent } as Dockerode.DockerOptions);
  } finally {
    if (DOCKER_HOST !== undefined) process.env.DOCKER_HOST = DOCKER_HOST;
    if (DOCKER_CERT_PATH !== undefined) process.env.DOCKER_CERT_PATH = DOCKER_CERT_PATH;
  }
}

/** dockerode words its errors `(HTTP code 404) no such container - No such container: web `: keep the device's part. */
function explain(error: Error & { statusCode?: number; json?: unknown; code?: string }): Error {
  if (error instanceof TransportError) return error;
  if (error.statusCode !== undefined) {
    const said = (error.json as { message?: unknown } | undefined)?.message;
    const text = typeof said === 'string' ? said : error.message.replace(/^\(HTTP code \d+\) /, '').trim();
    return new ApiError(error.statusCode, sanitizeLine(text, { color: false }));
  }
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') {
    return new TransportError('the connection to the device broke', { retry: true, cause: error });
  }
  return error;
}

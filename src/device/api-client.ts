import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { z } from 'zod';
import { sanitizeLine } from '../shared/text/sanitize.ts';
import { TransportError } from '../transport/transport.ts';
import { cleanJson } from './clean.ts';
import { ApiError, ImageError } from './errors.ts';
import { unexpectedAnswer, unknownRoute, versionOf } from './version-mismatch.ts';

/** One host name for all requests, ours and dockerode's, so that they share the agent's idle connections. */
export const apiHost = 'gantry';

const longestAnswer = 32 << 20;
const longestLine = 1 << 20;
/** For answers that need no work on the device. Over a busy serial line they may still wait for a while. */
const readTimeoutMs = 60_000;

export interface CallOptions {
  body?: unknown;
  signal?: AbortSignal;
}

/** What becomes of the texts in an answer: one line each, several, or as they are, for what is sent back and not shown. */
export type Texts = 'line' | 'lines' | 'raw';

/** HTTP to a device's API socket: JSON, JSON lines and raw streams, checked and made safe to show. */
export class ApiClient {
  readonly #agent: Agent;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /**
   * A JSON answer. Rejects with `ApiError` (the device refuses), `TransportError`
   * (the connection), or an error that says what in the answer is wrong.
   */
  async get<T>(
    path: string,
    schema: z.ZodType<T>,
    options: { signal?: AbortSignal | undefined; texts?: Texts } = {},
  ): Promise<T> {
    const deadline = AbortSignal.timeout(readTimeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
    try {
      return await parsed(path, await this.stream('GET', path, { signal }), schema, options.texts);
    } catch (error) {
      if (!deadline.aborted || options.signal?.aborted) throw error;
      throw new TransportError(`the device did not answer GET ${path} within ${readTimeoutMs / 1000} s`, {
        retry: true,
        cause: error,
      });
    }
  }

  async post<T>(path: string, schema: z.ZodType<T>, options: CallOptions = {}): Promise<T> {
    return parsed(path, await this.stream('POST', path, options), schema);
  }

  /** For answers without a body worth reading. */
  async send(method: string, path: string, options: CallOptions = {}): Promise<void> {
    await readText(await this.stream(method, path, options));
  }

  /** An answer that is no text, of at most `most` bytes. */
  async bytes(path: string, most: number, signal?: AbortSignal): Promise<Buffer> {
    return readAll(await this.stream('GET', path, { ...(signal && { signal }) }), most);
  }

  /** One element per line of the answer. A stream that breaks throws a `TransportError`; one that ends just ends. */
  async *lines<T>(method: string, path: string, schema: z.ZodType<T>, options: CallOptions = {}): AsyncGenerator<T> {
    const response = await this.stream(method, path, options);
    const version = versionOf(response);
    let rest = '';
    try {
      response.setEncoding('utf8');
      for await (const chunk of response as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > longestLine) throw new Error(`the device's answer to ${path} has a line over 1 MiB`);
        for (const line of lines) {
          if (line.trim() !== '') yield parse(path, line, schema, { version });
        }
      }
    } catch (error) {
      throw explainBreak(error, method, path);
    } finally {
      response.destroy();
    }
    if (rest.trim() !== '') yield parse(path, rest, schema, { version });
  }

  /** Sends a stream of known length. Rejects with the stream's error, or with the device's. */
  async put(
    path: string,
    body: Readable,
    options: {
      method?: 'PUT' | 'PATCH';
      headers: Record<string, string>;
      /** In bytes. */
      length: number;
      signal?: AbortSignal | undefined;
    },
  ): Promise<void> {
    const { method = 'PUT', headers, length, signal } = options;
    const answered = this.#request(method, path, { headers: { ...headers, 'Content-Length': length }, signal });
    // A refusal comes before all is sent, and then matters more than the broken pipe it causes.
    const sent = pipeline(body, answered.request).then(
      () => undefined,
      (error: unknown) => error,
    );
    try {
      await readText(await answered.response);
    } catch (error) {
      // A broken connection shows in the body too; what the body itself says of its content counts more.
      throw !(error instanceof ApiError) && body.errored instanceof ImageError ? body.errored : error;
    } finally {
      body.destroy();
      await sent;
    }
  }

  /** The answer itself, its status already checked. Whoever gets it must read or destroy it. */
  async stream(method: string, path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    const attempt = () => {
      const body = options.body === undefined ? undefined : JSON.stringify(options.body);
      const headers: Record<string, string | number> =
        body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
      const { request, response } = this.#request(method, path, { headers, signal: options.signal });
      request.end(body);
      return response;
    };
    try {
      return await attempt();
    } catch (error) {
      // An idle connection that the device had just closed: asking again is safe when asking changes nothing.
      if (method !== 'GET' || !isBreak((error as Error).cause) || options.signal?.aborted) throw error;
      return await attempt();
    }
  }

  #request(
    method: string,
    path: string,
    options: { headers: Record<string, string | number>; signal: AbortSignal | undefined },
  ) {
    const request = httpRequest({
      agent: this.#agent,
      host: apiHost,
      method,
      path,
      headers: options.headers,
      ...(options.signal && { signal: options.signal }),
    });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', (answer) => {
        // Breaks show in the answer's own stream from here on.
        request.on('error', () => undefined);
        const status = answer.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve(answer);
        else {
          readText(answer).then(
            (text) => reject(new ApiError(status, refusal(text, method, path, answer))),
            (error: unknown) => reject(error),
          );
        }
      });
      request.once('error', (error) => reject(explainBreak(error, method, path)));
    });
    return { request, response };
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  return (await readAll(response, longestAnswer)).toString('utf8');
}

async function readAll(response: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > most) throw new Error(`the device sent an answer of more than ${most} bytes`);
    }
  } catch (error) {
    throw explainBreak(error, 'reading an', 'answer');
  }
  return Buffer.concat(chunks);
}

async function parsed<T>(
  path: string,
  response: IncomingMessage,
  schema: z.ZodType<T>,
  texts: Texts = 'line',
): Promise<T> {
  return parse(path, await readText(response), schema, { texts, version: versionOf(response) });
}

function parse<T>(
  path: string,
  text: string,
  schema: z.ZodType<T>,
  { texts = 'line', version }: { texts?: Texts; version: string | undefined },
): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`the device answered ${path} with something that is not JSON: is it another version of Gantry?`, {
      cause,
    });
  }
  const result = schema.safeParse(texts === 'raw' ? value : cleanJson(value, { lines: texts === 'lines' }));
  if (result.success) return result.data;
  throw new Error(
    `the device answered ${path} with something unexpected ${unexpectedAnswer(result.error, value, version)}`,
  );
}

/** The device's own sentence, if it gave one. */
function refusal(text: string, method: string, path: string, answer: IncomingMessage): string {
  const status = answer.statusCode ?? 0;
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string' && message !== '' && message !== 'page not found') {
      const hint = unknownRoute(status, message, versionOf(answer));
      return `${sanitizeLine(message, { color: false })}${hint === undefined ? '' : `. ${hint}`}`;
    }
  } catch {
    // Not JSON: no device of ours.
  }
  if (status === 404) return `the device knows no ${method} ${path}: is it a Gantry device, of this version?`;
  return `the device answered ${method} ${path} with HTTP status ${status}`;
}

/** Errors of sockets and of Node's http become transport errors; a person's abort stays what it is. */
export function explainBreak(error: unknown, method: string, path: string): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (error instanceof TransportError || error.name === 'AbortError' || error.name === 'TimeoutError') return error;
  const { code } = error as NodeJS.ErrnoException;
  if (isBreak(error)) {
    const why = code === 'ELINKDOWN' ? `: ${error.message}` : '';
    return new TransportError(`the connection to the device broke (${method} ${path})${why}`, {
      retry: true,
      cause: error,
    });
  }
  if (code?.startsWith('HPE_')) {
    return new TransportError(`what answers at the API socket does not speak HTTP (${error.message})`, {
      retry: false,
      cause: error,
    });
  }
  return error;
}

function isBreak(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  // The last one is a link's: what is on a serial line ends when the device falls silent.
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ELINKDOWN'].includes(code ?? '');
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import { HttpError } from './router.ts';

/** The Go client compares the Content-Type with exactly `application/json`: no charset. */
const json = 'application/json';

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'Content-Type': json, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

export function sendEmpty(response: ServerResponse, status = 204): void {
  response.writeHead(status);
  response.end();
}

/** Starts a stream of JSON objects, one a line; the headers leave at once. `contentType` is Docker's by default. */
export function startJsonStream(response: ServerResponse, contentType = json): (object: unknown) => boolean {
  response.writeHead(200, { 'Content-Type': contentType });
  response.flushHeaders();
  return (object) => response.write(`${JSON.stringify(object)}\n`);
}

/** The request's body, at most `limit` bytes (413 beyond). */
export async function readBody(request: IncomingMessage, limit = 1 << 20): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new HttpError(413, `the request's body is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The request's body as JSON, checked. An empty body is `{}`. 400 says what is wrong. */
export async function readJson<T>(request: IncomingMessage, schema: z.ZodType<T>, limit?: number): Promise<T> {
  return jsonOf(await readBody(request, limit), schema);
}

/** As `readJson`, of a body that was read already. */
export function jsonOf<T>(body: Buffer, schema: z.ZodType<T>): T {
  let value: unknown = {};
  if (body.length > 0) {
    try {
      value = JSON.parse(body.toString('utf8'));
    } catch (error) {
      throw new HttpError(400, `the request's body is not JSON: ${(error as Error).message}`);
    }
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new HttpError(400, `bad request: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'invalid'}`);
}

/** Resolves when the response takes more, or its client has gone. */
export function drained(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

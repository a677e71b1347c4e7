import type { ServerResponse } from 'node:http';
import { logPath } from '../engine/paths.ts';
import { formatNanos } from '../logs/k8s-line.ts';
import { type Follow, readLog } from '../logs/reader.ts';
import type { Component } from '../supervisor/component.ts';
import type { ApiContext } from './context.ts';
import { boolOf, integerOf, momentOf } from './filters.ts';
import { frame, stderr, stdout, streamType } from './frames.ts';
import { drained } from './respond.ts';
import { type Call, HttpError, type Route } from './router.ts';
import { apiMinorOf } from './server.ts';

/** `GET /containers/{id}/logs`: one frame a line. A followed log goes on over restarts and ends when nothing will come. */
export function logRoutes(context: ApiContext): Route[] {
  return [{ method: 'GET', pattern: '/containers/{id}/logs', handler: (call) => sendLog(context, call) }];
}

async function sendLog(context: ApiContext, { params, query, request, response }: Call): Promise<void> {
  const component = context.supervisor.find(params.id ?? '');
  const wanted = { stdout: boolOf(query.get('stdout')), stderr: boolOf(query.get('stderr')) };
  if (!wanted.stdout && !wanted.stderr) throw new HttpError(400, 'Bad parameters: you must choose at least one stream');
  const tail = query.get('tail') === 'all' ? undefined : integerOf('tail', query.get('tail'));
  const timestamps = boolOf(query.get('timestamps'));
  const follower = boolOf(query.get('follow')) ? followLog(context, component) : undefined;
  response.once('close', () => follower?.stop());
  response.writeHead(200, { 'Content-Type': streamType(false, apiMinorOf(request.url)) });
  response.flushHeaders();
  const entries = readLog(logPath(component.name), {
    tail: tail !== undefined && tail < 0 ? undefined : tail,
    since: momentOf('since', query.get('since')),
    until: momentOf('until', query.get('until')),
    follow: follower,
  });
  const batch = new Batch(response);
  for await (const { stream, nanos, text } of entries) {
    if (response.destroyed) break;
    if (!wanted[stream]) continue;
    const line = timestamps ? Buffer.concat([Buffer.from(`${formatNanos(nanos)} `), text]) : text;
    batch.add(frame(stream === 'stdout' ? stdout : stderr, line));
    if (response.writableNeedDrain) await drained(response);
  }
  follower?.stop();
  batch.flush();
  response.end();
}

/** Tells the reader when to look again: the file has changed, the container's state has, or the client has gone. */
function followLog({ logs, supervisor }: ApiContext, component: Component): Follow & { stop: () => void } {
  let stopped = false;
  let changed = false;
  let wake: () => void = () => undefined;
  const notice = () => {
    changed = true;
    wake();
  };
  const onChange = (name: string) => {
    if (name === component.name) notice();
  };
  const unsubscribe = logs.subscribe(`${component.name}.log`, notice);
  supervisor.changes.on('changed', onChange);
  return {
    over: () => stopped || (!component.running && component.activity === undefined && !component.betweenRuns),
    changed: async () => {
      if (!changed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      changed = false;
    },
    stop: () => {
      stopped = true;
      unsubscribe();
      supervisor.changes.off('changed', onChange);
      notice();
    },
  };
}

/** Many lines in one write, none of them late: what was added is sent at the latest when this turn's work is done. */
class Batch {
  readonly #response: ServerResponse;
  #frames: Buffer[] = [];
  #size = 0;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  add(data: Buffer): void {
    this.#frames.push(data);
    this.#size += data.length;
    if (this.#size >= 64 * 1024) this.flush();
    else this.#scheduled ??= setImmediate(() => this.flush());
  }

  flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#frames.length > 0 && !this.#response.destroyed) this.#response.write(Buffer.concat(this.#frames));
    this.#frames = [];
    this.#size = 0;
  }
}

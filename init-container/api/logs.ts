import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { componentName } from '../../src/shared/definition/revision.ts';
import { logPath } from '../engine/paths.ts';
import { type beginning, type Cursor, parseCursor } from '../logs/cursor.ts';
import { inodeOf } from '../logs/files.ts';
import { formatNanos } from '../logs/k8s-line.ts';
import { type Follow, LogReader } from '../logs/reader.ts';
import { distribution } from '../native/machine.ts';
import type { Component } from '../supervisor/component.ts';
import { UnknownComponentError } from '../supervisor/errors.ts';
import type { ApiContext } from './context.ts';
import { boolOf, integerOf, momentOf } from './filters.ts';
import { FrameBatch } from './frame-batch.ts';
import { cursorFrame, frame, multiplexedStreamType, noteFrame, stderr, stdout, streamType } from './frames.ts';
import { drained } from './respond.ts';
import { type Call, HttpError, type Route } from './router.ts';
import { apiMinorOf } from './server.ts';

/** One frame a line. A followed log goes on over restarts and ends when nothing will come. */
export function logRoutes(context: ApiContext): Route[] {
  return [
    { method: 'GET', pattern: '/containers/{id}/logs', handler: (call) => sendDockerLog(context, call) },
    { method: 'GET', pattern: '/gantry/v1/logs/{name}', handler: (call) => sendLog(context, call) },
  ];
}

async function sendDockerLog(context: ApiContext, { params, query, request, response }: Call): Promise<void> {
  const component = context.supervisor.find(params.id ?? '');
  const wanted = { stdout: boolOf(query.get('stdout')), stderr: boolOf(query.get('stderr')) };
  if (!wanted.stdout && !wanted.stderr) throw new HttpError(400, 'Bad parameters: you must choose at least one stream');
  const source = { path: logPath(component.name), over: () => hasEnded(component), name: component.name };
  await send(context, { request, response, query, source, wanted });
}

/** Of any component that has a log, also of one that is no more; with cursors, so that a broken stream can be gone on with. */
async function sendLog(context: ApiContext, { params, query, request, response }: Call): Promise<void> {
  const source = await sourceOf(context, params.name ?? '');
  const from = query.get('cursor') === null ? undefined : parseCursor(query.get('cursor') ?? '');
  if (query.has('cursor') && from === undefined) throw new HttpError(400, `cursor=${query.get('cursor')} is no cursor`);
  await send(context, { request, response, query, source, wanted: { stdout: true, stderr: true }, cursors: { from } });
}

export interface Source {
  name: string;
  path: string;
  /** Whether nothing more will be written. */
  over: () => boolean;
}

async function sourceOf({ supervisor }: ApiContext, name: string): Promise<Source> {
  // On top of a distribution the kernel is no component, and tells what it tells all the same.
  const machines = distribution !== undefined && name === 'kernel' ? name : undefined;
  const kind = supervisor.part(name)?.kind ?? machines;
  if (kind === 'kernel' || kind === 'init') return { name, path: logPath(kind), over: () => false };
  if (kind !== undefined) throw new HttpError(404, `${name} is files of the root image: it has no log`);
  const path = logPath(name);
  try {
    const component = supervisor.find(name);
    return { name: component.name, path: logPath(component.name), over: () => hasEnded(component) };
  } catch (error) {
    const left = componentName.safeParse(name).success && (await inodeOf(path)) !== undefined;
    if (!(error instanceof UnknownComponentError) || !left) throw error;
    return { name, path, over: () => true };
  }
}

/** It has run, does not run, and will not of itself. What has not been started since the device booted may still be. */
export function hasEnded(component: Component): boolean {
  if (component.running || component.activity !== undefined || component.betweenRuns) return false;
  return component.state.phase === 'exited' || component.state.wish === 'stop' || component.spec === undefined;
}

interface Sending {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  source: Source;
  wanted: { stdout: boolean; stderr: boolean };
  /** Tell where the stream is, and go on from where another was. */
  cursors?: { from: Cursor | typeof beginning | undefined };
}

async function send(
  context: ApiContext,
  { request, response, query, source, wanted, cursors }: Sending,
): Promise<void> {
  const tail = query.get('tail') === 'all' ? undefined : integerOf('tail', query.get('tail'));
  const timestamps = boolOf(query.get('timestamps'));
  const options = {
    tail: tail !== undefined && tail < 0 ? undefined : tail,
    since: momentOf('since', query.get('since')),
    until: momentOf('until', query.get('until')),
    from: cursors?.from,
  };
  const follower = boolOf(query.get('follow')) ? followLog(context, source) : undefined;
  response.once('close', () => follower?.stop());
  const type = cursors ? multiplexedStreamType : streamType(false, apiMinorOf(request.url));
  response.writeHead(200, { 'Content-Type': type });
  response.flushHeaders();
  const reader = new LogReader(source.path, { ...options, follow: follower });
  const place = () => (reader.cursor === undefined ? undefined : frame(cursorFrame, Buffer.from(reader.cursor)));
  const batch = new FrameBatch(response, cursors && place);
  for await (const { stream, nanos, text, note } of reader.entries()) {
    if (response.destroyed) break;
    if (!wanted[stream]) continue;
    const line = timestamps ? Buffer.concat([Buffer.from(`${formatNanos(nanos)} `), text]) : text;
    batch.add(frame(note && cursors ? noteFrame : stream === 'stdout' ? stdout : stderr, line));
    if (response.writableNeedDrain) await drained(response);
  }
  follower?.stop();
  batch.end();
  response.end();
}

/** Tells the reader when to look again: the file has changed, the container's state has, or the client has gone. */
export function followLog(
  { logs, supervisor }: ApiContext,
  { name, path, over }: Source,
): Follow & { stop: () => void } {
  let stopped = false;
  let changed = false;
  let wake: () => void = () => undefined;
  const notice = () => {
    changed = true;
    wake();
  };
  const onChange = (component: string) => {
    if (component === name) notice();
  };
  const unsubscribe = logs.subscribe(basename(path), notice);
  supervisor.changes.on('changed', onChange);
  return {
    over: () => stopped || over(),
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

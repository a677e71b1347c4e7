import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { LineSplitter } from '../shared/text/line-splitter.ts';
import { TransportError } from '../transport/transport.ts';
import { type ApiClient, explainBreak } from './api-client.ts';
import type { Connection } from './connection.ts';
import type { LogLine, LogOptions, LogPosition } from './device.ts';
import { WholeFrames } from './docker-frames.ts';

/** RFC 3339 with a space after it, as the device puts it before each line. */
const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?/;

/** Types of frames, see the device's API: its own sentences about the log, and where the stream is. */
const noteFrame = 3;
const cursorFrame = 4;

const pauseMs = 300;

export interface LogContext {
  api: ApiClient;
  connection: Connection;
}

/**
 * The log of one component, line by line. Ends quietly when `signal` aborts. With `follow` it outlives the connection: when
 * that is back, it goes on after the last line it gave, unless the caller keeps the position and does that himself.
 */
export async function* readLogs(
  { api, connection }: LogContext,
  name: string,
  options: LogOptions = {},
): AsyncGenerator<LogLine> {
  const position: LogPosition = options.position ?? {};
  for (;;) {
    try {
      yield* readOnce(api, name, options, position);
      return;
    } catch (error) {
      if (options.signal?.aborted) return;
      const goesOn = options.follow && !options.position && error instanceof TransportError && error.retry;
      if (!goesOn || position.cursor === undefined) throw error;
    }
    try {
      await sleep(pauseMs, undefined, { signal: options.signal });
      await connection.whenConnected(options.signal);
    } catch (error) {
      if (options.signal?.aborted) return;
      throw error;
    }
  }
}

async function* readOnce(
  api: ApiClient,
  name: string,
  options: LogOptions,
  position: LogPosition,
): AsyncGenerator<LogLine> {
  const path = `/gantry/v1/logs/${encodeURIComponent(name)}?${queryOf(options, position)}`;
  const { signal, timestamps = false } = options;
  // Since the cursor, the device sends again what has come already.
  let known = position.linesSince ?? 0;
  let response: IncomingMessage | undefined;
  // A line that the device has not ended may be one it has cut, or one that goes on: what comes next tells that it is whole.
  let held: LogLine | undefined;
  function* release(): Generator<LogLine> {
    if (!held) return;
    const line = held;
    held = undefined;
    if (known > 0) known--;
    else {
      position.linesSince = (position.linesSince ?? 0) + 1;
      yield line;
    }
  }
  try {
    response = await api.stream('GET', path, { signal });
    const frames = new WholeFrames();
    for await (const chunk of response as AsyncIterable<Buffer>) {
      for (const { type, data } of frames.push(chunk)) {
        yield* release();
        if (type === cursorFrame) {
          position.cursor = data.toString('latin1');
          position.linesSince = known;
        } else if (type === noteFrame) yield toLine('stderr', data, timestamps);
        else {
          held = toLine(type === 2 ? 'stderr' : 'stdout', data, timestamps);
          if (data.at(-1) === 10) yield* release();
        }
      }
    }
    yield* release();
  } catch (error) {
    if (!signal?.aborted) throw explainBreak(error, 'GET', path);
  } finally {
    response?.destroy();
  }
}

function queryOf(options: LogOptions, { cursor }: LogPosition): URLSearchParams {
  const query = new URLSearchParams();
  if (options.follow) query.set('follow', '1');
  if (options.timestamps) query.set('timestamps', '1');
  if (cursor !== undefined) {
    query.set('cursor', cursor);
    return query;
  }
  if (options.tail !== undefined) query.set('tail', String(options.tail));
  if (options.since !== undefined) query.set('since', String(options.since));
  return query;
}

function toLine(stream: LogLine['stream'], data: Buffer, timestamps: boolean): LogLine {
  const splitter = new LineSplitter({ color: true });
  const [text = ''] = [...splitter.push(data), ...splitter.end()];
  const time = timestamps ? stamp.exec(text) : null;
  return time?.[1] ? { stream, time: time[1], text: text.slice(time[0].length) } : { stream, text };
}

import type { IncomingMessage } from 'node:http';
import { LineSplitter } from '../shared/text/line-splitter.ts';
import { type ApiClient, explainBreak } from './api-client.ts';
import type { LogLine, LogOptions } from './device.ts';
import { FrameSplitter } from './docker-frames.ts';

/** RFC 3339 with a space after it, as Docker puts it before each line. */
const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?/;

/** The log of one system container, line by line. Ends quietly when `signal` aborts. */
export async function* readLogs(api: ApiClient, name: string, options: LogOptions = {}): AsyncGenerator<LogLine> {
  const query = new URLSearchParams({ stdout: '1', stderr: '1' });
  if (options.follow) query.set('follow', '1');
  if (options.timestamps) query.set('timestamps', '1');
  if (options.tail !== undefined) query.set('tail', String(options.tail));
  if (options.since !== undefined) query.set('since', String(options.since));
  const path = `/containers/${encodeURIComponent(name)}/logs?${query}`;
  const { signal } = options;
  let response: IncomingMessage | undefined;
  try {
    response = await api.stream('GET', path, { signal });
    yield* split(response, options.timestamps ?? false);
  } catch (error) {
    if (!signal?.aborted) throw explainBreak(error, 'GET', path);
  } finally {
    response?.destroy();
  }
}

async function* split(response: IncomingMessage, timestamps: boolean): AsyncGenerator<LogLine> {
  // Of a container with a terminal everything comes as it is: Docker says so in the media type.
  const framed = response.headers['content-type'] !== 'application/vnd.docker.raw-stream';
  const frames = new FrameSplitter();
  const lines = { stdout: new LineSplitter({ color: true }), stderr: new LineSplitter({ color: true }) };
  for await (const chunk of response as AsyncIterable<Buffer>) {
    for (const { stream, data } of framed ? frames.push(chunk) : [{ stream: 'stdout' as const, data: chunk }]) {
      for (const text of lines[stream].push(data)) yield toLine(stream, text, timestamps);
    }
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    for (const text of lines[stream].end()) yield toLine(stream, text, timestamps);
  }
}

function toLine(stream: LogLine['stream'], text: string, timestamps: boolean): LogLine {
  const time = timestamps ? stamp.exec(text) : null;
  return time?.[1] ? { stream, time: time[1], text: text.slice(time[0].length) } : { stream, text };
}

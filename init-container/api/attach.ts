import { logPath } from '../engine/paths.ts';
import { LogReader } from '../logs/reader.ts';
import type { ApiContext } from './context.ts';
import { boolOf } from './filters.ts';
import { frame, stderr, stdout, streamType } from './frames.ts';
import { followLog, hasEnded } from './logs.ts';
import { HttpError, type Route } from './router.ts';
import { apiMinorOf, type UpgradeRoute } from './server.ts';

const pattern = '/containers/{id}/attach';

interface Attach {
  params: Record<string, string>;
  query: URLSearchParams;
  /** Sends the headers; what it gives is written to. */
  open: (contentType: string) => NodeJS.WritableStream & { destroyed: boolean };
  apiMinor: number;
}

/** `docker attach`, for clients that do not ask for an upgrade of the connection. */
export function attachRoutes(context: ApiContext): Route[] {
  return [
    {
      method: 'POST',
      pattern,
      handler: ({ params, query, request, response }) => {
        const open = (type: string) => {
          response.writeHead(200, { 'Content-Type': type });
          response.flushHeaders();
          return response;
        };
        return attach(context, { params, query, open, apiMinor: apiMinorOf(request.url) });
      },
    },
  ];
}

/** The same with an upgrade. System containers have no input: what is typed is dropped. */
export function attachUpgrade(context: ApiContext): UpgradeRoute {
  return {
    pattern,
    handler: ({ params, query, accept, apiMinor }) => {
      const open = (type: string) => {
        const socket = accept(type);
        socket.resume();
        return socket;
      };
      return attach(context, { params, query, open, apiMinor });
    },
  };
}

/**
 * Sends what the container writes from now on (`stream`), and with `logs` also what it wrote before. It is read from the
 * log, so a client that does not read never holds up the container.
 */
async function attach(context: ApiContext, { params, query, open, apiMinor }: Attach): Promise<void> {
  const component = context.supervisor.find(params.id ?? '');
  const wanted = { stdout: boolOf(query.get('stdout')), stderr: boolOf(query.get('stderr')) };
  const [isLive, withPast] = [boolOf(query.get('stream')), boolOf(query.get('logs'))];
  if (!isLive && !withPast) throw new HttpError(400, 'Bad parameters: choose stream, logs, or both');
  const path = logPath(component.name);
  const source = { name: component.name, path, over: () => hasEnded(component) };
  const follower = isLive ? followLog(context, source) : undefined;
  const target = open(streamType(false, apiMinor));
  target.once('close', () => follower?.stop());
  const reader = new LogReader(path, { follow: follower, tail: withPast ? undefined : 0 });
  try {
    for await (const { stream, text } of reader.entries()) {
      if (target.destroyed) break;
      if (!wanted[stream]) continue;
      if (!target.write(frame(stream === 'stdout' ? stdout : stderr, text))) await drainedOrClosed(target);
    }
  } finally {
    follower?.stop();
  }
  target.end();
}

function drainedOrClosed(target: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      target.off('drain', done);
      target.off('close', done);
      resolve();
    };
    target.on('drain', done);
    target.on('close', done);
  });
}

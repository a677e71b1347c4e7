import { PassThrough } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { deviceExecSchema } from '../../src/shared/api/types.ts';
import { availableCapabilities, expandCapabilities } from '../engine/capabilities.ts';
import { containerProcess } from '../engine/container-process.ts';
import type { ExecSession } from '../engine/exec-session.ts';
import { resolveUser } from '../engine/image-user.ts';
import type { OciProcess } from '../engine/oci-spec.ts';
import { containerPaths } from '../engine/paths.ts';
import type { Component } from '../supervisor/component.ts';
import type { ApiContext } from './context.ts';
import { frame, framing, multiplexedStreamType, rawStreamType, stderr, stdout, streamType } from './frames.ts';
import { watchPeer } from './peer.ts';
import { jsonOf, readJson, sendEmpty, sendJson } from './respond.ts';
import { HttpError, type Route } from './router.ts';
import type { UpgradeRoute } from './server.ts';

const createSchema = z.object({
  Cmd: z.array(z.string()).min(1, 'no command given'),
  Tty: z.boolean().nullish(),
  Env: z.array(z.string()).nullish(),
  User: z.string().nullish(),
  WorkingDir: z.string().nullish(),
  Privileged: z.boolean().nullish(),
  ConsoleSize: z.tuple([z.number(), z.number()]).nullish(),
  AttachStdin: z.boolean().nullish(),
});

const startSchema = z.object({
  Detach: z.boolean().nullish(),
  Tty: z.boolean().nullish(),
  ConsoleSize: z.tuple([z.number(), z.number()]).nullish(),
});

/** Processes beside a container's own, and in the device itself. */
export function execRoutes({ supervisor, store, sessions }: ApiContext): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/containers/{id}/exec',
      handler: async ({ params, request, response }) => {
        const component = supervisor.find(params.id ?? '');
        const wanted = await readJson(request, createSchema);
        if (!component.running) throw new HttpError(409, `container ${component.name} is not running`);
        const layers = wanted.User ? (await store.get(component.record?.image.digest ?? 'sha256:')).layers : [];
        const session = sessions.create({
          argv: wanted.Cmd,
          tty: wanted.Tty ?? false,
          consoleSize: wanted.ConsoleSize ?? undefined,
          env: [],
          container: {
            name: component.name,
            instance: component.instance,
            process: await processFor(component, wanted, layers),
          },
        });
        supervisor.events.record(component, `exec_create: ${wanted.Cmd.join(' ')}`, { execID: session.id });
        sendJson(response, 201, { Id: session.id });
      },
    },
    {
      method: 'POST',
      pattern: '/gantry/v1/exec',
      handler: async ({ request, response }) => {
        const wanted = await readJson(request, deviceExecSchema);
        const session = sessions.create({
          argv: wanted.Cmd.length > 0 ? wanted.Cmd : ['/bin/sh', '-l'],
          tty: wanted.Tty,
          consoleSize: wanted.ConsoleSize ?? undefined,
          env: wanted.Env ?? [],
        });
        sendJson(response, 201, { Id: session.id });
      },
    },
    {
      method: 'POST',
      pattern: '/exec/{id}/start',
      handler: async ({ params, request, response }) => {
        const session = startable(sessions.get(params.id ?? ''));
        const options = await readJson(request, startSchema);
        const streams = await session.start(options.ConsoleSize ?? undefined);
        // Without an upgrade nothing can be typed.
        streams.stdin.end();
        if (options.Detach) {
          streams.stdout.resume();
          streams.stderr?.resume();
          void session.ended();
          return sendEmpty(response, 200);
        }
        response.writeHead(200, { 'Content-Type': session.request.tty ? rawStreamType : multiplexedStreamType });
        response.flushHeaders();
        response.once('close', () => void session.abandon());
        await sendOutput(session, streams, response);
        response.end();
      },
    },
    {
      method: 'POST',
      pattern: '/exec/{id}/resize',
      handler: ({ params, query, response }) => {
        const session = sessions.get(params.id ?? '');
        const [rows, columns] = [Number(query.get('h')), Number(query.get('w'))];
        if (!Number.isInteger(rows) || !Number.isInteger(columns))
          throw new HttpError(400, 'h and w must be whole numbers');
        session.resize(rows, columns);
        sendEmpty(response, 200);
      },
    },
    {
      method: 'GET',
      pattern: '/exec/{id}/json',
      handler: ({ params, response }) => {
        const session = sessions.get(params.id ?? '');
        const { container } = session.request;
        const [entrypoint = '', ...args] = container?.process.args ?? session.request.argv;
        sendJson(response, 200, {
          ID: session.id,
          Running: session.state === 'running',
          ExitCode: session.state === 'ended' ? session.exitCode : null,
          ProcessConfig: { tty: session.request.tty, entrypoint, arguments: args, privileged: false },
          OpenStdin: true,
          OpenStdout: true,
          OpenStderr: true,
          CanRemove: false,
          ContainerID: container ? supervisor.find(container.name).id : '',
          DetachKeys: '',
          Pid: session.pid ?? 0,
        });
      },
    },
  ];
}

/** `POST /exec/{id}/start` of the docker CLI and of dockerode with `hijack`: the connection becomes the process's streams. */
export function execUpgrade({ supervisor, sessions }: ApiContext): UpgradeRoute {
  return {
    pattern: '/exec/{id}/start',
    handler: async ({ params, body, accept, apiMinor }) => {
      const session = startable(sessions.get(params.id ?? ''));
      const size = jsonOf(body, startSchema).ConsoleSize ?? undefined;
      const { container, tty } = session.request;
      // The answer comes first: a start that fails then is text in the stream, as clients expect.
      const socket = accept(streamType(tty, apiMinor));
      socket.once('close', () => void session.abandon());
      const stopWatching = watchPeer(socket, () => void session.abandon());
      const component = container && supervisor.find(container.name);
      if (component) {
        supervisor.events.record(component, `exec_start: ${container.process.args.join(' ')}`, { execID: session.id });
      }
      try {
        const streams = await session.start(size);
        pipeline(socket, streams.stdin, { end: !tty }).catch(() => undefined);
        await sendOutput(session, streams, socket);
      } catch (error) {
        const text = Buffer.from(`${(error as Error).message}\r\n`);
        socket.write(tty ? text : frame(stderr, text));
      } finally {
        stopWatching();
      }
      if (component) {
        const attributes = { execID: session.id, exitCode: String(session.exitCode ?? 0) };
        supervisor.events.record(component, 'exec_die', attributes);
      }
      socket.end();
    },
  };
}

function startable(session: ExecSession): ExecSession {
  if (session.state === 'created') return session;
  throw new HttpError(409, `exec ${session.id} was started already`);
}

/** Sends all output, and returns when it was sent and the process has ended: then its exit code can be asked for. */
async function sendOutput(
  session: ExecSession,
  streams: Awaited<ReturnType<ExecSession['start']>>,
  target: NodeJS.WritableStream,
): Promise<void> {
  const sent: Promise<unknown>[] = [];
  const send = (source: NodeJS.ReadableStream, stream: number) => {
    const through = session.request.tty ? new PassThrough() : framing(stream);
    source.pipe(through).pipe(target, { end: false });
    sent.push(finished(through, { writable: false }).catch(() => undefined));
  };
  send(streams.stdout, stdout);
  if (streams.stderr) send(streams.stderr, stderr);
  const gone = new Promise<void>((resolve) => target.once('close', resolve));
  await Promise.race([Promise.all(sent), gone]);
  await session.ended();
}

/** The container's own process with what the client wants otherwise. Throws 400 on a user the image does not have. */
async function processFor(
  component: Component,
  wanted: z.infer<typeof createSchema>,
  layers: string[],
): Promise<OciProcess> {
  const base = await containerProcess(containerPaths(component.instance).spec);
  const env = [...base.env, ...(wanted.Env ?? [])];
  if (wanted.Tty && !env.some((entry) => entry.startsWith('TERM='))) env.push('TERM=xterm');
  const user = wanted.User
    ? await resolveUser(wanted.User, layers).catch((error: Error) => {
        throw new HttpError(400, error.message);
      })
    : base.user;
  const all = wanted.Privileged ? expandCapabilities(['all'], await availableCapabilities()) : undefined;
  return {
    ...base,
    terminal: wanted.Tty ?? false,
    args: wanted.Cmd,
    cwd: wanted.WorkingDir || base.cwd,
    env,
    user,
    ...(all ? { capabilities: { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] } } : {}),
  };
}

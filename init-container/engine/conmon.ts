import { spawn } from 'node:child_process';
import { mkdir, open, writeFile } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { keepSecondName } from '../logs/rotate.ts';
import { logSizes } from '../logs/sizes.ts';
import { endLastLine } from '../logs/source.ts';
import { hostCommand } from '../native/host-command.ts';
import { cgroupRoot, componentOf, conmonCgroup, containerPaths, logPath, logsFolder } from './paths.ts';

const handshakeMs = 120_000;

/**
 * Creates the container under a conmon of its own and returns its first process's PID; `crun start` lets it run. conmon
 * is in a cgroup of its own and in the device's mount namespace, so that it outlives the init container. `sockets` become
 * the container's descriptors 3 and on; conmon itself holds those in `held` open until the container has ended. Rejects
 * with crun's words when the container cannot be created.
 */
export async function createUnderConmon(
  instance: string,
  id: string,
  { sockets, held }: { sockets: number[]; held: number[] },
): Promise<number> {
  const paths = containerPaths(instance);
  const log = logPath(componentOf(instance));
  const cgroup = `${cgroupRoot}${conmonCgroup(instance)}`;
  await endLastLine(log);
  const { backstop } = logSizes(logsFolder);
  await mkdir(cgroup, { recursive: true });
  const errors = await open(paths.conmonLog, 'w', 0o600);
  const syncPipe = 3 + sockets.length;
  try {
    const [file = '', ...args] = hostCommand([
      'conmon',
      ...['--api-version', '1'],
      ...['-c', instance, '-u', id, '-n', instance],
      ...['-r', '/usr/bin/crun', '-b', paths.folder, '-p', paths.pidFile],
      ...['--conmon-pidfile', paths.conmonPidFile],
      ...['--exit-dir', devicePaths.exits, '--persist-dir', paths.folder],
      ...['-l', `k8s-file:${log}`, '--log-size-max', String(backstop), '--no-sync-log'],
      ...['--log-level', 'error', '--full-attach'],
      ...(sockets.length > 0 ? ['--runtime-opt', '--preserve-fds', '--runtime-opt', String(sockets.length)] : []),
    ]);
    const child = spawn(file, args, {
      cwd: '/',
      stdio: ['ignore', errors.fd, errors.fd, ...sockets, 'pipe', 'pipe', ...held],
      env: { PATH: process.env.PATH, _OCI_SYNCPIPE: String(syncPipe), _OCI_STARTPIPE: String(syncPipe + 1) },
    });
    const failed = new Promise<never>((_, reject) => {
      child.once('error', (error) => reject(new Error(`cannot run conmon: ${error.message}`, { cause: error })));
    });
    failed.catch(() => undefined);
    const sync = child.stdio[syncPipe] as Readable;
    const start = child.stdio[syncPipe + 1] as Writable;
    start.on('error', () => undefined);
    if (child.pid !== undefined) {
      await writeFile(`${cgroup}/cgroup.procs`, String(child.pid));
      // conmon forks only after this byte: all it starts is in the cgroup it was moved to.
      start.end('\0');
    }
    const line = await Promise.race([firstLine(sync, handshakeMs), failed]).finally(() => sync.destroy());
    keepSecondName(log);
    return pidFrom(line, await readErrors(paths.conmonLog));
  } finally {
    await errors.close();
  }
}

/** conmon's answer: `{"data": PID}`, or a negative number and the runtime's words. */
export function pidFrom(line: string | undefined, errors: string): number {
  if (line === undefined) throw new Error(errors || 'conmon ended without an answer');
  let answer: { data?: unknown; message?: unknown };
  try {
    answer = JSON.parse(line) as typeof answer;
  } catch {
    throw new Error(`conmon answered something unknown: ${line.slice(0, 200)}`);
  }
  if (typeof answer.data === 'number' && answer.data > 0) return answer.data;
  throw new Error(
    `${answer.message ?? errors}`.trim() || 'the runtime could not create the container and did not say why',
  );
}

async function readErrors(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return '';
  try {
    return (await file.readFile('utf8')).trim().split('\n').slice(-3).join('; ');
  } finally {
    await file.close();
  }
}

/** Undefined when the stream ends first. */
function firstLine(stream: Readable, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => reject(new Error(`conmon did not answer within ${timeoutMs / 1000} s`)), timeoutMs);
    const finish = (line: string | undefined) => {
      clearTimeout(timer);
      resolve(line);
    };
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) finish(text.slice(0, end));
    });
    stream.on('error', () => finish(text || undefined));
    stream.on('close', () => finish(text || undefined));
  });
}

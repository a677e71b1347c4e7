import { once } from 'node:events';
import { type Duplex, PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { TransportError } from '../transport/transport.ts';
import type { Session } from './device.ts';
import type { DockerApi } from './docker-api.ts';
import { FrameSplitter } from './docker-frames.ts';
import { execStateSchema } from './schemas.ts';

/** After its output has ended, a process is gone within moments; longer than this something is wrong. */
const exitPatienceMs = 5_000;

/** A started exec as a `Session`. Both outputs must be read: one that is not holds up the other. */
export function execSession(docker: DockerApi, id: string, stream: Duplex, tty: boolean): Session {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  // The loop below reports a broken stream; writers must not crash on it before.
  stream.on('error', () => undefined);
  const exitCode = run(docker, id, stream, { stdout, stderr, tty });
  exitCode.catch(() => undefined);
  return {
    stdin: stream,
    stdout,
    stderr,
    resize: (columns, rows) => docker.resizeExec(id, { columns, rows }),
    exitCode,
    close: () => stream.destroy(),
  };
}

async function run(
  docker: DockerApi,
  id: string,
  stream: Duplex,
  { stdout, stderr, tty }: { stdout: PassThrough; stderr: PassThrough; tty: boolean },
): Promise<number> {
  try {
    await copy(stream, stdout, stderr, tty);
    const code = await waitForExit(docker, id);
    stdout.end();
    stderr.end();
    return code;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const error = new TransportError(`the session broke off: ${why}`, { retry: false, cause });
    for (const output of [stdout, stderr]) {
      // Whoever listens hears of it; whoever does not must not fall over it.
      output.on('error', () => undefined);
      output.destroy(error);
    }
    throw error;
  }
}

async function copy(stream: Duplex, stdout: PassThrough, stderr: PassThrough, tty: boolean): Promise<void> {
  const frames = new FrameSplitter();
  const outputs = { stdout, stderr };
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (const frame of tty ? [{ stream: 'stdout' as const, data: chunk }] : frames.push(chunk)) {
      const output = outputs[frame.stream];
      if (!output.write(frame.data)) await once(output, 'drain');
    }
  }
  if (!frames.complete) throw new Error('the output ended in the middle of a frame');
}

async function waitForExit(docker: DockerApi, id: string): Promise<number> {
  const giveUpAt = performance.now() + exitPatienceMs;
  for (let delay = 10; ; delay = Math.min(delay * 2, 500)) {
    const state = execStateSchema.parse(await docker.inspectExec(id));
    if (!state.Running) return state.ExitCode ?? 0;
    if (performance.now() > giveUpAt) {
      throw new Error('the process closed its output but has not ended: its exit code is not known');
    }
    await sleep(delay);
  }
}

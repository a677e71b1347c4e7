import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { loadLibc } from './libc.ts';

export interface PipedProcess {
  child: ChildProcess;
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
}

const closeOnExec = 0o2000000;

/**
 * Starts a process on three real pipes. Node's own are sockets, which a program cannot open again as `/dev/stdout`, as many
 * shell scripts do. Rejects when the program cannot be started.
 */
export async function spawnOnPipes(argv: string[], env: NodeJS.ProcessEnv): Promise<PipedProcess> {
  const open: number[] = [];
  const makePipe = async (): Promise<{ read: number; write: number }> => {
    const fds = Buffer.alloc(8);
    if ((await loadLibc()).pipe2(fds, closeOnExec) !== 0) throw new Error('no pipe can be made: too many open files');
    const pipe = { read: fds.readInt32LE(0), write: fds.readInt32LE(4) };
    open.push(pipe.read, pipe.write);
    return pipe;
  };
  try {
    const [stdin, stdout, stderr] = [await makePipe(), await makePipe(), await makePipe()];
    const [file = '', ...args] = argv;
    const child = spawn(file, args, { stdio: [stdin.read, stdout.write, stderr.write], env });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    const theirs = [stdin.read, stdout.write, stderr.write];
    for (const fd of theirs) closeSync(fd);
    open.length = 0;
    return {
      child,
      stdin: new Socket({ fd: stdin.write, readable: false, writable: true }),
      stdout: new Socket({ fd: stdout.read, readable: true, writable: false }),
      stderr: new Socket({ fd: stderr.read, readable: true, writable: false }),
    };
  } catch (error) {
    for (const fd of open) closeSync(fd);
    throw new Error(`cannot start ${argv[0]}: ${(error as Error).message}`, { cause: error });
  }
}

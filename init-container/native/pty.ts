import { spawn } from 'node:child_process';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { Duplex } from 'node:stream';
import { ReadStream } from 'node:tty';
import { type Libc, loadLibc } from './libc.ts';

export interface PtyOptions {
  /** Default: this process's. */
  env?: NodeJS.ProcessEnv;
  columns: number;
  rows: number;
}

/** A process on a pseudo-terminal of its own, as its controlling terminal. */
export interface PtyProcess {
  pid: number;
  /** What a terminal would show, and what is typed. Ends when nothing holds the terminal any more. */
  stream: Duplex;
  resize(columns: number, rows: number): void;
  /** Exit code; 128 + signal number when a signal ended it. */
  exited: Promise<number>;
  /** Hangs up: the terminal's foreground processes get SIGHUP, as when a person closes a window. */
  hangUp(): void;
}

const TIOCSWINSZ = 0x5414;

/**
 * Starts `argv` on a new pseudo-terminal. Node has no call for that, so libc's are used through koffi, which is loaded
 * at the first use: it costs memory that a device without an open shell need not spend. Rejects when no pseudo-terminal
 * is free or the command cannot be started.
 */
export async function spawnPty(argv: string[], options: PtyOptions): Promise<PtyProcess> {
  const libc = await loadLibc();
  const master = openMaster(libc);
  let socket: ReadStream | undefined;
  try {
    setSize(libc, master.fd, options.columns, options.rows);
    const slave = openSync(master.slavePath, constants.O_RDWR | constants.O_NOCTTY);
    // Some program has to make the terminal the session's own: busybox on a device, util-linux elsewhere.
    const [program, ...setsid] = existsSync('/usr/bin/busybox') ? ['/usr/bin/busybox', 'setsid'] : ['setsid'];
    const child = spawn(program, [...setsid, '-c', ...argv], { stdio: [slave, slave, slave], env: options.env });
    closeSync(slave);
    const exited = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? osConstants.signals[signal] : 0)));
    });
    // A command that cannot be started is told below, and nobody waits for its end then.
    exited.catch(() => undefined);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    socket = new ReadStream(master.fd);
    const terminal = socket;
    const pid = child.pid ?? 0;
    return {
      pid,
      stream: duplexOver(terminal),
      exited,
      resize: (columns, rows) => {
        if (!terminal.destroyed) setSize(libc, master.fd, columns, rows);
      },
      hangUp: () => {
        terminal.destroy();
      },
    };
  } catch (error) {
    if (!socket) closeSync(master.fd);
    throw new Error(`cannot start ${argv[0]} on a terminal: ${(error as Error).message}`, { cause: error });
  }
}

function openMaster(libc: Libc): { fd: number; slavePath: string } {
  const fd = libc.posixOpenpt(constants.O_RDWR | constants.O_NOCTTY | 0o2000000 /* O_CLOEXEC */);
  if (fd < 0) throw new Error('no pseudo-terminal is free (posix_openpt failed)');
  const name = Buffer.alloc(128);
  if (libc.grantpt(fd) !== 0 || libc.unlockpt(fd) !== 0 || libc.ptsname(fd, name, name.length) !== 0) {
    closeSync(fd);
    throw new Error('the pseudo-terminal cannot be unlocked: is devpts mounted at /dev/pts?');
  }
  return { fd, slavePath: name.toString('utf8', 0, name.indexOf(0)) };
}

function setSize(libc: Libc, fd: number, columns: number, rows: number): void {
  const size = Buffer.alloc(8);
  const clamp = (value: number) => Math.max(1, Math.min(65535, Math.trunc(value) || 1));
  size.writeUInt16LE(clamp(rows), 0);
  size.writeUInt16LE(clamp(columns), 2);
  libc.ioctl(fd, TIOCSWINSZ, size);
}

/** The terminal's stream as everyone expects it: Linux reports its end as EIO, which is no error here. */
function duplexOver(terminal: ReadStream): Duplex {
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => {
      terminal.resume();
    },
    write: (chunk, _encoding, done) => {
      if (terminal.destroyed) done();
      else terminal.write(chunk, () => done());
    },
    destroy: (error, done) => {
      terminal.destroy();
      done(error);
    },
  });
  let ended = false;
  const end = () => {
    if (!ended) stream.push(null);
    ended = true;
  };
  terminal.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) terminal.pause();
  });
  terminal.on('end', end);
  terminal.on('close', end);
  terminal.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EIO') end();
    else stream.destroy(error);
  });
  return stream;
}

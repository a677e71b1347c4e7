import { readFileSync, stat, statSync } from 'node:fs';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { TransportError } from '../transport.ts';
import type { SerialTarget } from './target.ts';

/** An open port; `bytesPerSecond` is undefined for a socket, which has no rate. */
export interface OpenPort {
  stream: Duplex;
  bytesPerSecond: number | undefined;
}

/** Bits that one byte takes on the line: a start bit, eight data bits, a stop bit. */
const BITS_PER_BYTE = 10;
const WATCH_MS = 1000;

/** Opens a tty, or connects to the unix socket of an emulator. Rejects with a `TransportError` that says what to do. */
export async function openPort(target: SerialTarget): Promise<OpenPort> {
  let isSocket: boolean;
  try {
    isSocket = statSync(target.path).isSocket();
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, target);
  }
  try {
    if (isSocket) return { stream: await openSocket(target.path), bytesPerSecond: undefined };
    return { stream: await openTty(target), bytesPerSecond: target.baud / BITS_PER_BYTE };
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, target);
  }
}

function openSocket(path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

async function openTty({ path, baud }: SerialTarget): Promise<Duplex> {
  // Loaded only now: it brings native code, which most commands do without.
  const { SerialPort } = await import('serialport');
  // hupcl off: dropping DTR at the end resets many boards.
  const port = new SerialPort({ path, baudRate: baud, hupcl: false, lock: true, autoOpen: false });
  await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())));
  // SerialPort itself stays open when it is destroyed.
  const stream = new Duplex({
    read: () => port.resume(),
    write: (chunk: Buffer, _encoding, callback) => {
      if (port.isOpen) port.write(chunk, callback);
      else callback(new Error('the port was closed'));
    },
    final: (callback) => {
      if (port.isOpen) port.drain(callback);
      else callback();
    },
    destroy: (error, callback) => {
      if (port.isOpen) port.close(() => callback(error));
      else callback(error);
    },
  });
  port.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) port.pause();
  });
  // serialport reads on for ever, at full speed, from an adapter that was pulled out in the middle of a read.
  const watch = setInterval(() => {
    stat(path, (error) => {
      if (error?.code === 'ENOENT') stream.destroy(new Error(`${path} was pulled out`));
    });
  }, WATCH_MS);
  watch.unref();
  stream.once('close', () => clearInterval(watch));
  port.on('error', (error: Error) => stream.destroy(error));
  port.on('close', (error?: Error | null) => stream.destroy(error ?? undefined));
  return stream;
}

function explain(error: NodeJS.ErrnoException, { path, baud }: SerialTarget): TransportError {
  const fail = (message: string, retry: boolean): TransportError =>
    new TransportError(message, { retry, cause: error });
  // serialport gives texts, node:net and node:fs give codes.
  const says = (code: string, text: string): boolean => error.code === code || error.message.includes(text);
  if (says('ENOENT', 'No such file') || says('ENODEV', 'No such device') || says('ENXIO', 'ENXIO')) {
    return fail(`there is no serial port ${path}: is the adapter plugged in, or the emulator running?`, true);
  }
  if (says('EACCES', 'Permission denied') || says('EPERM', 'Operation not permitted')) {
    const group = groupOf(path);
    return fail(
      `no permission to use ${path}: join the group that owns it (sudo usermod -aG ${group} "$USER", then log in again)`,
      false,
    );
  }
  if (says('EBUSY', 'Cannot lock port') || error.message.includes('busy')) {
    return fail(`${path} is in use by another program: end it first (fuser ${path} names it)`, true);
  }
  if (says('ECONNREFUSED', 'ECONNREFUSED')) {
    return fail(`nothing answers on ${path}: the emulator that made it has ended`, true);
  }
  if (says('ENOTTY', 'Inappropriate ioctl')) return fail(`${path} is neither a serial port nor a socket`, false);
  return fail(`${path} cannot be opened at ${baud} baud: ${error.message}`, true);
}

/** Name of the group that owns `path`; `dialout`, which it usually is, when that cannot be known. */
function groupOf(path: string): string {
  try {
    const { gid } = statSync(path);
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((entry) => entry.split(':')[2] === String(gid));
    const name = line?.split(':')[0];
    return name && name !== 'root' ? name : 'dialout';
  } catch {
    return 'dialout';
  }
}

import { readFileSync, stat, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { SerialPort } from 'serialport';
import { TransportError } from '../transport.ts';
import { type PortControls, socketControls, ttyControls } from './port-controls.ts';
import type { SerialTarget } from './target.ts';

/** An open port; `bytesPerSecond` is undefined for a socket, which has no rate. */
export interface OpenPort extends PortControls {
  stream: Duplex;
  bytesPerSecond: number | undefined;
  /** Bytes that came and went since it was opened. */
  traffic(): Traffic;
}

export interface Traffic {
  received: number;
  sent: number;
}

/** Bits that one byte takes on the line: a start bit, eight data bits, a stop bit. */
const BITS_PER_BYTE = 10;
const WATCH_MS = 1000;

export interface PortOptions {
  /** How an emulator makes its guest see a break on the line. */
  emulatedBreak?: () => Promise<void>;
}

/** Opens a tty, or connects to the unix socket of an emulator. Rejects with a `TransportError` that says what to do. */
export async function openPort(target: SerialTarget, options: PortOptions = {}): Promise<OpenPort> {
  let isSocket: boolean;
  try {
    isSocket = statSync(target.path).isSocket();
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, target);
  }
  try {
    if (isSocket) {
      const stream = await openSocket(target.path);
      const traffic = () => ({ received: stream.bytesRead, sent: stream.bytesWritten });
      const controls = socketControls(target.path, options.emulatedBreak);
      return { stream, bytesPerSecond: undefined, traffic, ...controls };
    }
    const { stream, port, traffic } = await openTty(target);
    const controls = ttyControls(port, target.path);
    return { stream, bytesPerSecond: target.baud / BITS_PER_BYTE, traffic: () => ({ ...traffic }), ...controls };
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, target);
  }
}

function openSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

async function openTty({
  path,
  baud,
  flow,
}: SerialTarget): Promise<{ stream: Duplex; port: SerialPort; traffic: Traffic }> {
  // Loaded only now: it brings native code, which most commands do without.
  // By its default export: the names of a CommonJS module are lost where it is bundled into a file of its own.
  const { SerialPort } = (await import('serialport')).default;
  // hupcl off: dropping DTR at the end resets many boards.
  const soft = flow === 'xonxoff';
  const port = new SerialPort({
    ...{ path, baudRate: baud, hupcl: false, lock: true, autoOpen: false },
    ...{ rtscts: flow === 'rtscts', xon: soft, xoff: soft },
  });
  await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())));
  const traffic: Traffic = { received: 0, sent: 0 };
  // SerialPort itself stays open when it is destroyed.
  const stream = new Duplex({
    read: () => port.resume(),
    write: (chunk: Buffer, _encoding, callback) => {
      traffic.sent += chunk.length;
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
    traffic.received += chunk.length;
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
  return { stream, port, traffic };
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

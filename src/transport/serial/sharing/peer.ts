import type { Socket } from 'node:net';
import { userInfo } from 'node:os';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

interface Libc {
  getsockopt(fd: number, level: number, option: number, value: Buffer, length: Buffer): number;
}

let loaded: Promise<Libc> | undefined;

/**
 * Rejects unless the process at the other end of a unix socket belongs to this user or to root. The folder of the socket
 * is closed to others already; this also holds when somebody has opened it.
 */
export async function checkPeer(socket: Socket): Promise<void> {
  loaded ??= load();
  const libc = await loaded;
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  // struct ucred: pid, uid, gid.
  const credentials = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(credentials.length);
  if (typeof fd !== 'number' || fd < 0 || libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0)
    throw new Error('the other end of the socket has gone');
  const uid = credentials.readUInt32LE(4);
  if (uid !== 0 && uid !== userInfo().uid) throw new Error(`the other end of the socket belongs to user ${uid}`);
}

async function load(): Promise<Libc> {
  // Loaded only when a line is shared: it brings native code.
  const { default: koffi } = await import('koffi');
  const libc = koffi.load('libc.so.6');
  return {
    getsockopt: libc.func('int getsockopt(int fd, int level, int option, void *value, void *length)'),
  };
}

import { closeSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ListenAddress } from '../../src/shared/definition/listen.ts';
import { errorWithCode } from './errno.ts';
import { type Libc, loadLibc } from './libc.ts';

// The same numbers on amd64 and arm64. Source: Linux 6.12, include/uapi and include/linux/socket.h.
const families = { unix: 1, inet: 2, inet6: 10 } as const;
const streamCloseOnExec = 1 | 0o2000000;
const level = { ip: 0, socket: 1, ipv6: 41 } as const;
const reuseAddress = 2;
const ipFreeBind = 15;
const ipv6Only = 26;
const ipv6FreeBind = 78;
const pidfdOpen = 434;
const pidfdGetfd = 438;
const getFlags = 3;
const setFlags = 4;
const appendFlag = 0o2000;

/** More than a program that is away for seconds gets under load; the kernel cuts it at net.core.somaxconn. */
const backlog = 4096;

/**
 * Opens a listening socket, closed on exec, and returns its descriptor. An address that the device does not have yet is
 * taken all the same. Rejects with the system's error code (EADDRINUSE and so on) and leaves nothing open.
 */
export async function openListening(address: ListenAddress, label: string): Promise<number> {
  const libc = await loadLibc();
  if (address.family === 'unix') await clearSocketPath(address.path);
  const fd = checked(libc, libc.socket(families[address.family], streamCloseOnExec, 0), `a socket for ${label}`);
  try {
    const set = (at: number, option: number) => {
      const one = Buffer.from(new Int32Array([1]).buffer);
      checked(libc, libc.setsockopt(fd, at, option, one, one.length), `the options of ${label}`);
    };
    if (address.family !== 'unix') set(level.socket, reuseAddress);
    if (address.family === 'inet') set(level.ip, ipFreeBind);
    if (address.family === 'inet6') for (const option of [ipv6Only, ipv6FreeBind]) set(level.ipv6, option);
    const name = socketAddress(address);
    checked(libc, libc.bind(fd, name, name.length), `cannot bind ${label}`);
    checked(libc, libc.listen(fd, backlog), `cannot listen at ${label}`);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** struct sockaddr_in, sockaddr_in6 or sockaddr_un: the family in the machine's order, the rest in the network's. */
export function socketAddress(address: ListenAddress): Buffer {
  const family = Buffer.from(new Uint16Array([families[address.family]]).buffer);
  if (address.family === 'unix') return Buffer.concat([family, Buffer.from(`${address.path}\0`)]);
  const port = Buffer.alloc(2);
  port.writeUInt16BE(address.port);
  if (address.family === 'inet') {
    return Buffer.concat([family, port, Buffer.from(address.host.split('.').map(Number)), Buffer.alloc(8)]);
  }
  const flow = Buffer.alloc(4);
  const scope = Buffer.alloc(4);
  return Buffer.concat([family, port, flow, ipv6Bytes(address.host), scope]);
}

/** A copy of another process's descriptor: the same open file or socket. Undefined when that process or it is not there. */
export async function takeDescriptor(pid: number, descriptor: number): Promise<number | undefined> {
  const libc = await loadLibc();
  const process = libc.syscall(pidfdOpen, pid, 0, 0);
  if (process < 0) return undefined;
  try {
    const fd = libc.syscall(pidfdGetfd, process, descriptor, 0);
    return fd < 0 ? undefined : fd;
  } finally {
    closeSync(process);
  }
}

/** From now on every write through this open file, by whichever process, goes to the file's end. */
export async function setAppend(fd: number): Promise<void> {
  const libc = await loadLibc();
  const flags = checked(libc, libc.fcntl(fd, getFlags, 0), 'the flags of an open file');
  checked(libc, libc.fcntl(fd, setFlags, flags | appendFlag), 'the flags of an open file');
}

function ipv6Bytes(host: string): Buffer {
  // The parser of URLs knows every way of writing an address and gives back the one without a dotted part.
  const plain = new URL(`http://[${host}]/`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const front = groups(head);
  const back = groups(tail ?? '');
  const middle = Array.from({ length: 8 - front.length - back.length }, () => '0');
  const bytes = Buffer.alloc(16);
  for (const [at, group] of [...front, ...middle, ...back].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), at * 2);
  return bytes;
}

/** A socket's file outlives the socket. Anything else at its place stays, and bind says so. */
async function clearSocketPath(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const found = await stat(path).catch(() => undefined);
  if (found?.isSocket()) await rm(path, { force: true });
}

function checked(libc: Libc, result: number, what: string): number {
  if (result < 0) throw errorWithCode(libc.errno(), what);
  return result;
}

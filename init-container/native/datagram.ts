import { closeSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Libc, loadLibc } from './libc.ts';

/**
 * Unix datagram sockets, which Node lacks. Their readers are told by SIGIO that something came, so that no thread waits
 * and nothing is polled.
 */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const F_SETOWN = 8;
const O_NONBLOCK = 0o4000;
const O_ASYNC = 0o20000;
const MSG_DONTWAIT = 0x40;
const MSG_PEEK = 0x02;
/** Linux's numbers of system calls that are the same on every architecture. */
const pidfdOpen = 434;
const pidfdGetfd = 438;

/** Longest message taken; what is longer is cut. */
const longest = 4096;
/** Messages taken at once, and the pause before more: whoever sends without end must not keep this process from its work. */
const atOnce = 32;
const pauseMs = 10;
/** sockaddr_un: the path, its final zero included. */
const longestPath = 108;

const readers = new Set<() => void>();
let listening = false;

/** Before the first socket can raise it: a process that does not expect SIGIO dies of it. */
function listenForSigio(): void {
  if (listening) return;
  listening = true;
  process.on('SIGIO', () => {
    for (const read of readers) read();
  });
}

export class DatagramSocket {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #read: () => void;
  /** More may have come than was taken. */
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(libc: Libc, fd: number, onMessage: (message: Buffer) => void) {
    this.#libc = libc;
    this.fd = fd;
    this.#read = () => {
      if (this.#pause) return;
      for (let taken = 0; taken < atOnce; taken++) {
        const message = this.#receive(MSG_PEEK);
        if (message === undefined) return;
        onMessage(message);
        // Gone only when it has been dealt with: should this process end before, the next one gets it.
        this.#receive(0);
      }
      this.#pause = setTimeout(() => {
        this.#pause = undefined;
        this.#read();
      }, pauseMs);
    };
    listenForSigio();
    readers.add(this.#read);
    libc.fcntl(fd, F_SETOWN, process.pid);
    libc.fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
  }

  /** A new socket at `path`; what was there is replaced. Rejects when it cannot be made. */
  static async bind(path: string, onMessage: (message: Buffer) => void): Promise<DatagramSocket> {
    if (Buffer.byteLength(path) >= longestPath) throw new Error(`the path of a socket is too long: ${path}`);
    const libc = await loadLibc();
    rmSync(path, { force: true });
    const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw new Error('no socket can be made: too many open files');
    const address = Buffer.alloc(2 + longestPath);
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(path, 2);
    if (libc.bind(fd, address, 2 + Buffer.byteLength(path) + 1) !== 0) {
      closeSync(fd);
      throw new Error(`no socket can be made at ${path}`);
    }
    return new DatagramSocket(libc, fd, onMessage);
  }

  /**
   * The socket bound at `path` that another process holds, with all that was sent to it meanwhile. Undefined when that
   * process holds none.
   */
  static async takeFrom(
    pid: number,
    path: string,
    onMessage: (message: Buffer) => void,
  ): Promise<DatagramSocket | undefined> {
    const theirs = fdOf(pid, path);
    if (theirs === undefined) return undefined;
    const libc = await loadLibc();
    const pidfd = libc.syscall(pidfdOpen, pid, 0, 0);
    if (pidfd < 0) return undefined;
    const fd = libc.syscall(pidfdGetfd, pidfd, theirs, 0);
    closeSync(pidfd);
    return fd < 0 ? undefined : new DatagramSocket(libc, fd, onMessage);
  }

  /** Reads what has come, also what came before this process held the socket. */
  drain(): void {
    if (!this.#closed) this.#read();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pause);
    readers.delete(this.#read);
    closeSync(this.fd);
  }

  #receive(flags: number): Buffer | undefined {
    if (this.#closed) return undefined;
    const buffer = Buffer.alloc(longest);
    const length = Number(this.#libc.recv(this.fd, buffer, buffer.length, MSG_DONTWAIT | flags));
    return length < 0 ? undefined : buffer.subarray(0, length);
  }
}

/** A process's descriptor of the socket at `path`. An older socket of the same path may still be held by another. */
function fdOf(pid: number, path: string): number | undefined {
  try {
    const table = readFileSync('/proc/net/unix', 'utf8').split('\n');
    const bound = table.map((line) => line.trim().split(/\s+/)).filter((fields) => fields[7] === path);
    const links = new Set(bound.map((fields) => `socket:[${fields[6]}]`));
    const folder = `/proc/${pid}/fd`;
    const found = readdirSync(folder).find((fd) => links.has(readlinkSync(join(folder, fd))));
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

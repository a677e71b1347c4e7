import { closeSync, constants, openSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { loadLibc } from '../../init-container/native/libc.ts';

/** Else every program that a test starts would hold the cable too. */
const O_CLOEXEC = 0o2000000;

/** Bytes that a tty has received and nobody has read. */
const FIONREAD = 0x541b;

/** The other end of a tty: what a cable would be plugged into. */
export interface Pty {
  /** Path of the tty. */
  path: string;
  /** What is written here is received by the tty, and the other way round. */
  cable: ReadStream;
  /** Bytes that the tty has received and nobody has read: what is written beyond some 4 KB blocks this process. */
  unread(): number;
  /** Pulls the cable: whoever has the tty open sees it hang up. */
  close(): void;
}

export async function createPty(): Promise<Pty> {
  const libc = await loadLibc();
  const master = libc.posixOpenpt(constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC);
  const name = Buffer.alloc(128);
  if (master < 0 || libc.grantpt(master) !== 0 || libc.unlockpt(master) !== 0)
    throw new Error('no pseudo-terminal is free');
  if (libc.ptsname(master, name, name.length) !== 0) throw new Error('a pseudo-terminal has no name');
  const path = name.toString('utf8', 0, name.indexOf(0));
  // Kept open, so that reading the cable does not fail while nothing else has the tty open.
  const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const cable = new ReadStream(master);
  return {
    path,
    cable,
    unread: () => {
      const count = Buffer.alloc(4);
      return libc.ioctl(slave, FIONREAD, count) === 0 ? count.readInt32LE() : 0;
    },
    close: () => {
      closeSync(slave);
      cable.destroy();
    },
  };
}

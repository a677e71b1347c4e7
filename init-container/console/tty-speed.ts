import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { SpeedPort } from '../../src/shared/link/line-speed.ts';
import { type Libc, loadLibc } from '../native/libc.ts';

/** The kernel's numbers, the same on amd64 and arm64. `termios2` has the speeds as numbers of bits per second. */
const TCGETS2 = 0x802c542a;
const TCSETS2 = 0x402c542b;
const TIOCOUTQ = 0x5411;
const SIZE = 44;
const C_CFLAG = 8;
const C_ISPEED = 36;
const C_OSPEED = 40;
/** The bits of both speeds in the control flags, and what stands there for a speed given as a number alone. */
const SPEED_BITS = 0x100f_100f;
const BY_NUMBER = 0x1000;
/** Speeds that have a name: stty and others know no speed without one. The rest of the names are of no use here. */
const named = new Map([
  [1200, 0x9],
  [2400, 0xb],
  [4800, 0xc],
  [9600, 0xd],
  [19_200, 0xe],
  [38_400, 0xf],
  [57_600, 0x1001],
  [115_200, 0x1002],
  [230_400, 0x1003],
  [460_800, 0x1004],
  [921_600, 0x1007],
  [1_000_000, 0x1008],
  [1_500_000, 0x100a],
  [2_000_000, 0x100b],
  [3_000_000, 0x100d],
  [4_000_000, 0x100f],
]);
/** Drivers tell the speed that they really have; a UART hears another one that is off by so much at most. */
const TOLERANCE = 0.025;
/** What the kernel holds back for longer (flow control) is not waited for. */
const DRAIN_MS = 300;
const POLL_MS = 2;
/** After that the chip itself still holds bytes that nobody counts. */
const CHIP_BYTES = 128;
const BITS_PER_BYTE = 10;

export interface TtySpeed extends SpeedPort {
  /** It was found at another than its safe speed: a host may be listening at that one for a moment yet. */
  readonly wasFast: boolean;
}

/** Speed of an open tty in bits per second. Throws when it tells none. */
function speedOf(libc: Libc, fd: number): number {
  return settings(libc, fd).readUInt32LE(C_OSPEED);
}

function settings(libc: Libc, fd: number): Buffer {
  const termios = Buffer.alloc(SIZE);
  if (libc.ioctl(fd, TCGETS2, termios) !== 0) throw new Error('the console does not tell its speed');
  return termios;
}

/** At once, and read back: a driver that cannot run at a speed keeps another one without an error. */
function setSpeed(libc: Libc, fd: number, baud: number): void {
  const termios = settings(libc, fd);
  termios.writeUInt32LE(
    ((termios.readUInt32LE(C_CFLAG) & ~SPEED_BITS) | (named.get(baud) ?? BY_NUMBER)) >>> 0,
    C_CFLAG,
  );
  termios.writeUInt32LE(baud, C_ISPEED);
  termios.writeUInt32LE(baud, C_OSPEED);
  if (libc.ioctl(fd, TCSETS2, termios) !== 0) throw new Error(`the console cannot run at ${baud} baud`);
  const really = speedOf(libc, fd);
  if (Math.abs(really - baud) > baud * TOLERANCE)
    throw new Error(`the console runs at ${really} baud, not at the ${baud} that were asked for`);
}

/**
 * The speed of an open tty. `saved` names a file that does not outlive a boot: it has the safe speed while the tty is at
 * another one, for whoever opens the tty after this process was killed. Brings the tty to the speed that stands there.
 * Undefined when the tty has no speed.
 */
export async function ttySpeed(fd: number, saved: string): Promise<TtySpeed | undefined> {
  let libc: Libc;
  let safe: number;
  let wasFast: boolean;
  try {
    libc = await loadLibc();
    const left = Number.parseInt(readIfThere(saved), 10);
    wasFast = left > 0;
    if (wasFast) setSpeed(libc, fd, left);
    rmSync(saved, { force: true });
    safe = speedOf(libc, fd);
  } catch {
    return undefined;
  }
  return {
    ...{ safe, wasFast },
    async setBaudRate(baud) {
      // First of all, so that there is no moment in which a successor would not know it.
      if (baud !== safe) writeFileSync(saved, `${safe}\n`);
      await drained(libc, fd);
      setSpeed(libc, fd, baud);
      if (baud === safe) rmSync(saved, { force: true });
    },
  };
}

async function drained(libc: Libc, fd: number): Promise<void> {
  const count = Buffer.alloc(4);
  for (let waited = 0; waited < DRAIN_MS; waited += POLL_MS) {
    if (libc.ioctl(fd, TIOCOUTQ, count) !== 0 || count.readUInt32LE(0) === 0) break;
    await delay(POLL_MS);
  }
  await delay(Math.ceil((CHIP_BYTES * BITS_PER_BYTE * 1000) / speedOf(libc, fd)));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

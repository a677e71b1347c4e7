import { closeSync, constants, openSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { loadLibc } from '../native/libc.ts';
import { type RunResult, run } from '../native/run.ts';
import { gatheredTty } from './gathered-tty.ts';
import { type TtySpeed, ttySpeed } from './tty-speed.ts';

/** What cfmakeraw leaves as it was but a link needs: no flow control, no hang-up at the end, no signal from a BREAK. */
const SETTINGS = [
  'raw',
  '-echo',
  'cs8',
  '-parenb',
  'clocal',
  '-hupcl',
  '-ixoff',
  '-ixany',
  '-crtscts',
  'ignbrk',
  'ignpar',
];
const STTY_MS = 2000;
/** The kernel's numbers, the same on amd64 and arm64. The input flags are the first 32 bits of a termios. */
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const IXON = 0x400;

export interface TtyPort {
  stream: Duplex;
  /** Absent where the tty has none. */
  speed?: TtySpeed;
}

/**
 * Opens a tty for bytes as they are, at its safe speed: `savedSpeed` as for `ttySpeed`. Rejects when it does not exist or is no
 * tty. The stream fails when the tty hangs up.
 */
export async function openTtyPort(path: string, savedSpeed: string): Promise<TtyPort> {
  // Opened first: some drivers forget their settings when nobody has the tty open. Without O_NONBLOCK, opening a UART
  // waits for a carrier; without O_NOCTTY, a Ctrl-C on the console would reach this process.
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  try {
    await makeRaw(path, fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const terminal = gatheredTty(fd);
  // One that stays open for ever keeps the tty from hanging up.
  if (terminal.fd !== fd) closeSync(fd);
  try {
    const speed = await ttySpeed(terminal.fd, savedSpeed);
    return { stream: terminal.stream, ...(speed && { speed }) };
  } catch (error) {
    terminal.stream.destroy();
    throw error;
  }
}

async function makeRaw(path: string, fd: number): Promise<void> {
  let result = await sttyOn(path, SETTINGS);
  if (result.timedOut) {
    await startOutput(fd);
    result = await sttyOn(path, SETTINGS);
  }
  // A tty that lacks one of the settings (a pty has no flow control lines) still makes a console.
  if (result.code !== 0) result = await sttyOn(path, ['raw', '-echo']);
  if (result.code !== 0) throw new Error(`${path} cannot be made raw: ${result.stderr.trim() || 'stty did not end'}`);
}

/**
 * Somebody stopped the output with Ctrl-S before this process had the tty, and stty waits until everything is put out.
 * Switching that kind of flow control off, without waiting, starts the output again.
 */
async function startOutput(fd: number): Promise<void> {
  const libc = await loadLibc();
  const termios = Buffer.alloc(64);
  if (libc.ioctl(fd, TCGETS, termios) !== 0) return;
  termios.writeUInt32LE(termios.readUInt32LE(0) & ~IXON, 0);
  libc.ioctl(fd, TCSETS, termios);
}

async function sttyOn(path: string, settings: string[]): Promise<RunResult> {
  try {
    return await run(['stty', '-F', path, ...settings], { timeoutMs: STTY_MS });
  } catch {
    return run(['busybox', 'stty', '-F', path, ...settings], { timeoutMs: STTY_MS });
  }
}

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findProgram } from '../../../src/emulator/programs.ts';
import { randomBytes } from '../../line/random.ts';
import type { Pty } from '../../support/pty.ts';
import { openRealLine } from './real-line.ts';
import { BITS_PER_BYTE, type Scenario, TRANSFER } from './scenarios.ts';

/** Another program that moves a file over a serial line. */
export interface Peer {
  name: string;
  debianPackage: string;
  sends(file: string): [program: string, ...args: string[]];
  receives: [program: string, ...args: string[]];
}

const kermit = (...action: string[]): string[] => {
  // Packets of 1000 bytes, ten of them under way, were its best on bad lines. It takes a tty for a connection without errors
  // and would end at the first one; so it must be told.
  const settings = ['set reliable off', 'set streaming off', 'set file type binary', 'set window 10'];
  const sizes = ['set receive packet-length 1000', 'set send packet-length 1000'];
  return ['-Y', '-q', '-C', [...settings, ...sizes, action.join(' '), 'exit'].join(', ')];
};
export const peers: readonly Peer[] = [
  {
    ...{ name: 'ZMODEM (sz, rz)', debianPackage: 'lrzsz' },
    sends: (file) => ['sz', '-b', '-q', file],
    receives: ['rz', '-b', '-q'],
  },
  {
    ...{ name: 'C-Kermit', debianPackage: 'ckermit' },
    sends: (file) => ['kermit', ...kermit('send', file)],
    receives: ['kermit', ...kermit('receive')],
  },
];

/** Who has not finished by then has failed. */
export const PEER_LIMIT_MS = 180_000;
const LOOK_MS = 20;

/** What is missing for it, in words; undefined when it can run. */
export function whyNot(peer: Peer): string | undefined {
  try {
    for (const [program] of [peer.sends(''), peer.receives]) findProgram(program, peer.debianPackage);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Goodput over the line's rate; undefined when the file has not arrived within three minutes, or not as it was. */
export async function transferByPeer(peer: Peer, scenario: Scenario, seed: number): Promise<number | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-line-'));
  const { host, device, close } = await openRealLine(scenario, seed);
  const running: ChildProcess[] = [];
  try {
    const source = join(folder, 'data.bin');
    const target = join(folder, 'to');
    const data = randomBytes(seed, TRANSFER);
    writeFileSync(source, data);
    mkdirSync(target);
    for (const pty of [host, device]) execFileSync('stty', ['-F', pty.path, 'raw', '-echo']);
    const [from, to] = scenario.direction === 'upload' ? [host, device] : [device, host];
    const before = performance.now();
    running.push(start(to, target, peer.receives));
    running.push(start(from, folder, peer.sends(source)));
    while (performance.now() - before < PEER_LIMIT_MS) {
      await delay(LOOK_MS);
      // What the programs say to each other after the last byte is not counted.
      const seconds = (performance.now() - before) / 1000;
      const file = readdirSync(target).map((name) => join(target, name))[0];
      if (file !== undefined && statSync(file).size >= TRANSFER) {
        return readFileSync(file).equals(data) ? TRANSFER / seconds / (scenario.baud / BITS_PER_BYTE) : undefined;
      }
      if (running.every(hasEnded)) return undefined;
    }
    return undefined;
  } finally {
    for (const program of running) program.kill('SIGKILL');
    await Promise.all(running.map((program) => hasEnded(program) || once(program, 'exit')));
    close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function start(pty: Pty, cwd: string, [program = '', ...args]: readonly string[]): ChildProcess {
  const fd = openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY);
  try {
    // Kermit does nothing at all on a tty that is not its controlling one.
    return spawn('setsid', ['--ctty', program, ...args], { cwd, stdio: [fd, fd, 'ignore'] });
  } finally {
    closeSync(fd);
  }
}

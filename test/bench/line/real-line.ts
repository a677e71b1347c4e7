import type { Duplex } from 'node:stream';
import { systemClock } from '../../../src/shared/link/clock.ts';
import { createLine, type Line } from '../../line/line.ts';
import { createPty, type Pty } from '../../support/pty.ts';
import { BITS_PER_BYTE, type Scenario } from './scenarios.ts';

/** The simulated line in real time between two ttys that any program may open. */
export interface RealLine {
  host: Pty;
  device: Pty;
  line: Line;
  /** Pulls both ends: whoever has them open sees them hang up. */
  close(): void;
}

/** What a tty has waiting when more is held back, what is held back at most, and when that is looked at again. */
const TTY_BYTES = 2048;
const HELD_BYTES = 60_000;
const LOOK_MS = 5;

/** As a UART's driver: what a program does not read in time is lost, and nobody else waits for it. */
function deliver(end: Duplex, pty: Pty): void {
  let held: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  const hand = (): void => {
    timer = undefined;
    if (end.destroyed || held.length === 0) return;
    if (pty.unread() < TTY_BYTES) {
      const pieces = Buffer.concat(held);
      pty.cable.write(pieces.subarray(0, TTY_BYTES));
      held = pieces.length > TTY_BYTES ? [pieces.subarray(TTY_BYTES)] : [];
      if (held.length > 0) timer = setTimeout(hand, LOOK_MS);
    } else timer ??= setTimeout(hand, LOOK_MS);
  };
  end.on('data', (piece: Buffer) => {
    const bytes = held.reduce((sum, { length }) => sum + length, 0);
    if (bytes + piece.length <= HELD_BYTES) held.push(piece);
    if (timer === undefined) hand();
  });
}

export async function openRealLine(scenario: Scenario, seed: number): Promise<RealLine> {
  const [host, device] = [await createPty(), await createPty()];
  const line = createLine({
    clock: systemClock,
    seed: 1000 * seed,
    bytesPerSecond: scenario.baud / BITS_PER_BYTE,
    toHost: scenario.faults,
    toDevice: scenario.faults,
    ...(scenario.kernel && { kernel: scenario.kernel(seed) }),
    ...(scenario.receiveFifo !== undefined && { receiveFifo: scenario.receiveFifo }),
  });
  for (const [pty, end] of [
    [host, line.host],
    [device, line.device],
  ] as const) {
    deliver(end, pty);
    // What a tty that hangs up fails with: its user has gone, and the transfer is judged by what arrived.
    pty.cable.on('error', () => end.destroy());
    // Not `pipe`, which would take 64 KB ahead of the line: what is queued, a rival that rewinds sends in vain.
    pty.cable.on('data', (piece: Buffer) => {
      pty.cable.pause();
      end.write(piece, () => pty.cable.resume());
    });
  }
  const close = (): void => {
    for (const end of [line.host, line.device]) end.destroy();
    for (const pty of [host, device]) pty.close();
  };
  return { host, device, line, close };
}

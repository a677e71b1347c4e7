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
    // What a tty that hangs up fails with: its user has gone, and the transfer is judged by what arrived.
    pty.cable.on('error', () => end.destroy());
    pty.cable.pipe(end);
    end.pipe(pty.cable);
  }
  const close = (): void => {
    for (const end of [line.host, line.device]) end.destroy();
    for (const pty of [host, device]) pty.close();
  };
  return { host, device, line, close };
}

import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../../src/shared/link/clock.ts';
import { createLink } from '../../src/shared/link/link.ts';
import { createLine, type Line } from '../line/line.ts';
import { createPty } from './pty.ts';

/** A serial line of a given speed, in real time: a tty for any program on one end. */
export interface PacedLine {
  /** What the tty is called, for `-d serial:…`. */
  path: string;
  line: Line;
  close(): void;
}

/** Of the speed of a real one; the other end is `line.device`. */
export async function pacedLine(baud: number): Promise<PacedLine> {
  const pty = await createPty();
  const line = createLine({ clock: systemClock, seed: 1, bytesPerSecond: baud / 10 });
  line.host.on('data', (piece: Buffer) => pty.cable.write(piece));
  pty.cable.on('error', () => line.host.destroy());
  // Not `pipe`, which would take 64 KB ahead of the line.
  pty.cable.on('data', (piece: Buffer) => {
    pty.cable.pause();
    line.host.write(piece, () => pty.cable.resume());
  });
  const close = () => {
    for (const end of [line.host, line.device]) end.destroy();
    pty.close();
  };
  return { path: pty.path, line, close };
}

/** With half-close, as the agent does it; one that fails takes the other with it. */
function joinStreams(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on('error', (error) => to.destroy(error));
    from.once('close', () => {
      if (!from.readableEnded || !from.writableFinished) to.destroy();
    });
  }
}

/** The line leads to a device's API socket, by the link, as the agent of a device does it. */
export async function pacedDevice(baud: number, socket: string): Promise<PacedLine> {
  const paced = await pacedLine(baud);
  const link = createLink(paced.line.device, { role: 'device', bootId: 'paced', bytesPerSecond: baud / 10 });
  link.on('stream', (stream) => {
    const api = connect({ path: socket, allowHalfOpen: true });
    joinStreams(stream, api);
  });
  link.announce();
  const close = () => {
    void link.close().finally(() => paced.close());
  };
  return { ...paced, close };
}

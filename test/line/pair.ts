import type { Duplex } from 'node:stream';
import { createLink, type Link } from '../../src/shared/link/link.ts';
import { SimulatedClock } from './clock.ts';
import { createLine, type Line, type LineOptions } from './line.ts';

/** Both ends of the link on one simulated line. */
export interface Pair {
  clock: SimulatedClock;
  line: Line;
  host: Link;
  device: Link;
  hostText: () => string;
  deviceText: () => string;
}

export function makePair(options: Partial<LineOptions> & { rate?: number; careful?: boolean }): Pair {
  const clock = new SimulatedClock();
  const line = createLine({ clock, seed: 1, bytesPerSecond: options.rate, ...options });
  const host = createLink(line.host, { role: 'host', clock, bytesPerSecond: options.rate, careful: options.careful });
  const device = createLink(line.device, { role: 'device', clock, bootId: 'boot-1' });
  let hostText = '';
  let deviceText = '';
  host.on('text', (text) => (hostText += text.toString('latin1')));
  device.on('text', (text) => (deviceText += text.toString('latin1')));
  return { clock, line, host, device, hostText: () => hostText, deviceText: () => deviceText };
}

export async function connect(pair: Pair): Promise<void> {
  let outcome: unknown = 'pending';
  pair.host.connect({ deadlineMs: 60_000 }).then(
    () => (outcome = 'up'),
    (error: unknown) => (outcome = error),
  );
  await pair.clock.runUntil(() => outcome !== 'pending', 120_000);
  if (outcome !== 'up') throw outcome;
}

export interface Half {
  received: Buffer[];
  ended: boolean;
  finished: boolean;
  closed: boolean;
  error?: Error;
}

/** Writes `data` in pieces, ends, and keeps what comes. */
export function drive(stream: Duplex, data: Buffer, pieces: number): Half {
  const half: Half = { received: [], ended: false, finished: false, closed: false };
  stream.on('data', (chunk: Buffer) => half.received.push(chunk));
  stream.on('end', () => (half.ended = true));
  stream.on('finish', () => (half.finished = true));
  stream.on('error', (error) => (half.error = error));
  stream.on('close', () => (half.closed = true));
  const size = Math.max(1, Math.ceil(data.length / pieces));
  const write = (from: number): void => {
    if (from >= data.length) stream.end();
    else stream.write(data.subarray(from, from + size), (error) => (error ? undefined : write(from + size)));
  };
  write(0);
  return half;
}

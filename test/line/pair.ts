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

/** `baud` makes ends whose speed can be changed, `fastRates` a host that wants that, `deviceRates` is what the device can. */
export interface PairOptions extends Partial<LineOptions> {
  rate?: number;
  careful?: boolean;
  fastRates?: readonly number[];
  deviceRates?: readonly number[];
}

export function makePair(options: PairOptions): Pair {
  const clock = new SimulatedClock();
  const { baud, fastRates, deviceRates } = options;
  const line = createLine({ clock, seed: 1, bytesPerSecond: options.rate, ...options });
  const port = (end: 'host' | 'device', can?: readonly number[]) =>
    baud === undefined ? {} : { speed: { safe: baud, setBaudRate: (to: number) => set(end, to, can) } };
  const set = async (end: 'host' | 'device', to: number, can?: readonly number[]): Promise<void> => {
    if (can && to !== baud && !can.includes(to)) throw new Error(`no ${to} baud`);
    await line.setBaud(end, to);
  };
  const bytesPerSecond = baud === undefined ? options.rate : baud / 10;
  const host = createLink(line.host, {
    ...{ role: 'host', clock, bytesPerSecond, careful: options.careful },
    ...port('host'),
    ...(fastRates && { fastRates }),
  });
  const device = createLink(line.device, { role: 'device', clock, bootId: 'boot-1', ...port('device', deviceRates) });
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

import { Duplex } from 'node:stream';
import { createLink, type Link } from '../../../src/shared/link/link.ts';
import { SimulatedClock } from '../../line/clock.ts';
import { createLine, type Line } from '../../line/line.ts';
import { seededRandom } from '../../line/random.ts';
import { type Summary, summarise } from '../statistics.ts';
import { BITS_PER_BYTE } from './scenarios.ts';

/** Milliseconds, for devices that begin with U-Boot and for those that begin with Linux. */
export interface RebootTimes {
  /** From the first byte of the boot loader's or kernel's text until the host takes the session for lost. */
  noticed: Summary;
  /** From the start of the device's agent until the session is up again. */
  found: Summary;
}

const RUNS = 20;
const beginnings = [
  'U-Boot 2024.01 (Jan 08 2024 - 15:37:48 +0000)\r\n\r\nDRAM:  948 MiB\r\n',
  '[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]\r\n[    0.000000] Linux version 6.12.48\r\n',
];

/** In simulated time, at 115,200 baud, the device reset at any moment of a transfer. */
export async function measureReboots(): Promise<RebootTimes> {
  const noticed: number[] = [];
  const found: number[] = [];
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const random = seededRandom(seed);
    const clock = new SimulatedClock();
    const bytesPerSecond = 115_200 / BITS_PER_BYTE;
    const line = createLine({ clock, seed, bytesPerSecond });
    const host = createLink(line.host, { role: 'host', clock, bytesPerSecond });
    const first = plug(line);
    const before = createLink(first, { role: 'device', clock, bootId: 'one' });
    before.on('stream', (stream) => stream.on('error', () => {}).write(Buffer.alloc(64 * 1024, 'text of a log\n')));
    await up(host, clock);
    const stream = host.openStream('log', 3).on('error', () => {});
    stream.resume();
    await clock.run(1000 + 1000 * random());
    // As a reset does: nothing more is said, not even goodbye.
    first.destroy();
    await clock.run(1000 * random());
    let downAt: number | undefined;
    host.once('down', () => {
      downAt = clock.now();
    });
    const began = clock.now();
    line.device.write(beginnings[seed % beginnings.length]);
    await clock.runUntil(() => downAt !== undefined, 60_000);
    noticed.push((downAt ?? Number.NaN) - began);
    const isUp = up(host, clock, async () => {
      await clock.run(5000 + 1000 * random());
      const started = clock.now();
      createLink(plug(line), { role: 'device', clock, bootId: 'two' }).announce();
      return started;
    });
    found.push(await isUp);
  }
  return { noticed: summarise(noticed), found: summarise(found) };
}

/** The device's port; destroyed, it says and hears nothing more. */
function plug(line: Line): Duplex {
  const port: Duplex = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, callback) => line.device.write(chunk, callback),
    destroy: (error, callback) => {
      line.device.off('data', hear);
      callback(error);
    },
  });
  const hear = (bytes: Buffer): void => {
    port.push(bytes);
  };
  line.device.on('data', hear);
  return port;
}

/** Connects; `meanwhile` says when what it waits for began. Returns the milliseconds since then. */
async function up(host: Link, clock: SimulatedClock, meanwhile?: () => Promise<number>): Promise<number> {
  let upAt: number | undefined;
  host.connect({ deadlineMs: 60_000 }).then(() => {
    upAt = clock.now();
  });
  const began = (await meanwhile?.()) ?? clock.now();
  if (!(await clock.runUntil(() => upAt !== undefined, 60_000))) throw new Error('no link');
  return (upAt ?? Number.NaN) - began;
}

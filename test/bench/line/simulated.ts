import type { Duplex } from 'node:stream';
import { createLink, type Link } from '../../../src/shared/link/link.ts';
import { priorities } from '../../../src/shared/link/link-options.ts';
import { SimulatedClock } from '../../line/clock.ts';
import { createLine, type Line } from '../../line/line.ts';
import { randomBytes } from '../../line/random.ts';
import { BITS_PER_BYTE, KEY_EVERY_MS, type Scenario, TRANSFER } from './scenarios.ts';

export interface Measured {
  /** Bytes of the transfer a second, over the line's rate. */
  goodput: number;
  /** Milliseconds from each key to its echo. */
  echoes: number[];
  /** Kernel lines that arrived undamaged, and how many of them were shown whole and in order. */
  kernelLines: { arrived: number; shown: number };
  /** Bytes that went over the line in both directions for each byte of the transfer. */
  cost: number;
}

const LIMIT_MS = 600_000;

/** One transfer over Gantry's link in simulated time. Rejects when it does not end in ten minutes or is not exact. */
export async function transfer(scenario: Scenario, seed: number): Promise<Measured> {
  const clock = new SimulatedClock();
  const bytesPerSecond = scenario.baud / BITS_PER_BYTE;
  const line = createLine({
    clock,
    seed: 1000 * seed,
    bytesPerSecond,
    toHost: scenario.faults,
    toDevice: scenario.faults,
    ...(scenario.kernel && { kernel: scenario.kernel(seed) }),
    ...(scenario.receiveFifo !== undefined && { receiveFifo: scenario.receiveFifo }),
  });
  const host = createLink(line.host, { role: 'host', clock, bytesPerSecond });
  const device = createLink(line.device, { role: 'device', clock, bootId: 'bench' });
  let text = '';
  host.on('text', (piece) => {
    text += piece.toString('latin1');
  });
  await connect(host, clock);
  const data = randomBytes(seed, TRANSFER);
  const received: Buffer[] = [];
  let length = 0;
  const receive = (stream: Duplex): void => {
    stream.on('data', (piece: Buffer) => {
      received.push(piece);
      length += piece.length;
    });
  };
  device.on('stream', (stream, service) => {
    if (service === 'console') stream.on('data', (piece: Buffer) => stream.write(piece));
    else if (scenario.direction === 'upload') receive(stream);
    else stream.end(data);
  });
  const keys = scenario.keys ? await typeOn(host, clock) : undefined;
  const bytesBefore = line.bytes;
  const before = clock.now();
  const stream = host.openStream('api', priorities.api);
  if (scenario.direction === 'upload') stream.end(data);
  else receive(stream);
  const isDone = await clock.runUntil(() => length >= TRANSFER, LIMIT_MS);
  const seconds = (clock.now() - before) / 1000;
  if (!isDone) throw new Error(`${scenario.name}: only ${length} bytes arrived`);
  if (!Buffer.concat(received).equals(data)) throw new Error(`${scenario.name}: wrong bytes arrived`);
  const bytes = line.bytes - bytesBefore;
  keys?.stop();
  await clock.run(1500);
  return {
    goodput: TRANSFER / seconds / bytesPerSecond,
    echoes: keys?.echoes ?? [],
    kernelLines: countLines(line, text),
    cost: bytes / TRANSFER,
  };
}

async function connect(host: Link, clock: SimulatedClock): Promise<void> {
  let isUp = false;
  host.connect({ deadlineMs: 60_000 }).then(() => {
    isUp = true;
  });
  if (!(await clock.runUntil(() => isUp, 60_000))) throw new Error('no link');
  await clock.run(500);
}

/** A person at a shell that echoes. */
async function typeOn(host: Link, clock: SimulatedClock): Promise<{ echoes: number[]; stop(): void }> {
  const stream = host.openStream('console', priorities.console);
  const typedAt: number[] = [];
  const echoes: number[] = [];
  let isTyping = true;
  stream.on('data', (piece: Buffer) => {
    for (let index = 0; index < piece.length; index += 1) {
      echoes.push(clock.now() - (typedAt[echoes.length] ?? Number.NaN));
    }
  });
  const type = (): void => {
    if (!isTyping) return;
    typedAt.push(clock.now());
    stream.write('k');
    clock.after(KEY_EVERY_MS, type);
  };
  type();
  await clock.run(1000);
  // Only what is typed during the transfer counts.
  echoes.splice(0);
  typedAt.splice(0);
  return {
    echoes,
    stop: () => {
      isTyping = false;
    },
  };
}

function countLines(line: Line, text: string): Measured['kernelLines'] {
  const arrived = line.printed.filter(({ intact }) => intact);
  let shown = 0;
  let from = 0;
  for (const { text: wanted } of arrived) {
    const at = text.indexOf(wanted, from);
    if (at < 0) continue;
    shown += 1;
    from = at + wanted.length;
  }
  return { arrived: arrived.length, shown };
}

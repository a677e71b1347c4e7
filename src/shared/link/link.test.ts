import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from '../../../test/line/clock.ts';
import { steadyLines } from '../../../test/line/kernel.ts';
import { createLine, type Faults, type LineOptions } from '../../../test/line/line.ts';
import { randomBytes } from '../../../test/line/random.ts';
import { END, encodeFrame, sessionSeed, unstuff } from './frame.ts';
import { encodeHandshake, HANDSHAKE_SEED, PROTOCOL_VERSION } from './handshake.ts';
import { createLink, type Link, priorities } from './link.ts';
import { LinkError } from './link-error.ts';

interface Pair {
  clock: SimulatedClock;
  line: ReturnType<typeof createLine>;
  host: Link;
  device: Link;
  hostText: () => string;
  deviceText: () => string;
}

function makePair(options: Partial<LineOptions> & { rate?: number }): Pair {
  const clock = new SimulatedClock();
  const line = createLine({ clock, seed: 1, bytesPerSecond: options.rate, ...options });
  const host = createLink(line.host, { role: 'host', clock, bytesPerSecond: options.rate });
  const device = createLink(line.device, { role: 'device', clock, bootId: 'boot-1' });
  let hostText = '';
  let deviceText = '';
  host.on('text', (text) => (hostText += text.toString('latin1')));
  device.on('text', (text) => (deviceText += text.toString('latin1')));
  return { clock, line, host, device, hostText: () => hostText, deviceText: () => deviceText };
}

async function connect(pair: Pair): Promise<void> {
  let outcome: unknown = 'pending';
  pair.host.connect({ deadlineMs: 60_000 }).then(
    () => (outcome = 'up'),
    (error: unknown) => (outcome = error),
  );
  await pair.clock.runUntil(() => outcome !== 'pending', 120_000);
  if (outcome !== 'up') throw outcome;
}

interface Half {
  received: Buffer[];
  ended: boolean;
  finished: boolean;
  closed: boolean;
  error?: Error;
}

/** Writes `data` in pieces, ends, and keeps what comes. */
function drive(stream: Duplex, data: Buffer, pieces: number): Half {
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

const faults: fc.Arbitrary<Faults> = fc.record({
  flip: fc.constantFrom(0, 0, 1e-4, 1e-3),
  drop: fc.constantFrom(0, 0, 1e-4, 1e-3),
  insert: fc.constantFrom(0, 0, 1e-4, 1e-3),
  latencyMs: fc.constantFrom(0, 5),
  coalesceMs: fc.constantFrom(0, 0, 16),
  split: fc.boolean(),
});

describe('streams over a faulty line', () => {
  const schedule = fc.record({
    seed: fc.nat(),
    rate: fc.constantFrom(undefined, 1200, 11_520, 92_160),
    toHost: faults,
    toDevice: faults,
    streams: fc.array(
      fc.record({
        from: fc.constantFrom('host' as const, 'device' as const),
        up: fc.constantFrom(0, 1, 300, 5000, 20_000),
        down: fc.constantFrom(0, 1, 300, 5000, 20_000),
        pieces: fc.integer({ min: 1, max: 20 }),
        priority: fc.constantFrom(...Object.values(priorities)),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    cutAfter: fc.oneof(
      { weight: 2, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 3000 }) },
    ),
  });

  test('are exact, or end with an error, and never hang', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async ({ streams, cutAfter, ...options }) => {
        const pair = makePair(options);
        await connect(pair);
        const ends: { mine: Half; theirs?: Half; up: Buffer; down: Buffer }[] = [];
        for (const side of [pair.host, pair.device]) {
          side.on('stream', (stream, service) => {
            const entry = ends[Number(service)];
            if (entry) entry.theirs = drive(stream, entry.down, 3);
          });
        }
        for (const [index, plan] of streams.entries()) {
          const up = randomBytes(options.seed + index, plan.up);
          const down = randomBytes(options.seed + index + 77, plan.down);
          const stream = pair[plan.from].openStream(String(index), plan.priority);
          ends.push({ mine: drive(stream, up, plan.pieces), up, down });
        }
        const settled = (): boolean => ends.every(({ mine, theirs }) => mine.closed && (!theirs || theirs.closed));
        if (cutAfter !== undefined) {
          await pair.clock.runUntil(settled, cutAfter);
          pair.line.cut();
        }
        expect(await pair.clock.runUntil(settled, 600_000)).toBe(true);
        for (const { mine, theirs, up, down } of ends) {
          const got = Buffer.concat(mine.received);
          const gotThere = Buffer.concat(theirs?.received ?? []);
          expect(got.equals(down.subarray(0, got.length))).toBe(true);
          expect(gotThere.equals(up.subarray(0, gotThere.length))).toBe(true);
          // `finish` promises that the other side has everything; `end` that this side has.
          if (mine.ended) expect(got.length).toBe(down.length);
          if (theirs?.ended) expect(gotThere.length).toBe(up.length);
          if (!mine.error)
            expect([mine.ended, mine.finished, theirs?.ended ?? cutAfter !== undefined]).toEqual([true, true, true]);
          if (cutAfter === undefined) expect([mine.error, theirs?.error]).toEqual([undefined, undefined]);
        }
      }),
      { numRuns: 150 },
    );
  }, 90_000);
});

describe('a link', () => {
  test('retransmits at a useful speed on a line that flips bits', async () => {
    const pair = makePair({ rate: 11_520, toHost: { flip: 1e-4 }, toDevice: { flip: 1e-4 }, seed: 3 });
    await connect(pair);
    const data = randomBytes(5, 100_000);
    let there: Half | undefined;
    pair.device.on('stream', (stream) => (there = drive(stream, Buffer.alloc(0), 1)));
    const before = pair.clock.now();
    const mine = drive(pair.host.openStream('api', priorities.api), data, 50);
    expect(await pair.clock.runUntil(() => mine.closed, 60_000)).toBe(true);
    expect(Buffer.concat(there?.received ?? []).equals(data)).toBe(true);
    // Simulated time: 100,000 bytes need 8.7 s on a perfect line.
    expect(pair.clock.now() - before).toBeLessThan(12_000);
  });

  test('lets a key overtake an upload', async () => {
    const pair = makePair({ rate: 11_520 });
    await connect(pair);
    pair.device.on('stream', (stream, service) => {
      if (service === 'console') stream.pipe(stream);
      else stream.resume();
    });
    const upload = pair.host.openStream('api', priorities.api);
    upload.on('error', () => {});
    const keys = pair.host.openStream('console', priorities.console);
    const echoes: number[] = [];
    let typedAt = 0;
    keys.on('data', () => echoes.push(pair.clock.now() - typedAt));
    upload.write(randomBytes(1, 60_000));
    for (let key = 1; key <= 10; key += 1) {
      await pair.clock.run(300);
      typedAt = pair.clock.now();
      keys.write('k');
      expect(await pair.clock.runUntil(() => echoes.length === key, 2000)).toBe(true);
    }
    // Simulated milliseconds; the first one may stand behind a whole large frame.
    expect(Math.max(...echoes.slice(1))).toBeLessThan(120);
  });

  test('holds a writer back when nobody reads, and goes on when somebody does', async () => {
    const pair = makePair({});
    await connect(pair);
    let there: Duplex | undefined;
    pair.device.on('stream', (stream) => (there = stream));
    const stream = pair.host.openStream('api', priorities.api);
    let written = 0;
    const block = Buffer.alloc(10_000, 1);
    const write = (): void => {
      stream.write(block, () => {
        written += block.length;
        if (written < 1_000_000) write();
        else stream.end();
      });
    };
    write();
    await pair.clock.run(3000);
    expect(written).toBeLessThan(300_000);
    let read = 0;
    there?.on('data', (chunk: Buffer) => (read += chunk.length));
    expect(await pair.clock.runUntil(() => read === 1_000_000, 30_000)).toBe(true);
  });

  test('shows what the kernel prints, whole and in order, and keeps frames out of the text', async () => {
    const pair = makePair({ rate: 11_520, toHost: { split: true }, kernel: steadyLines(5, 9) });
    await connect(pair);
    pair.device.on('stream', (stream) => drive(stream, randomBytes(2, 60_000), 10));
    const mine = drive(pair.host.openStream('api', priorities.api), Buffer.alloc(0), 1);
    expect(await pair.clock.runUntil(() => mine.closed, 60_000)).toBe(true);
    await pair.clock.run(1000);
    expect(pair.line.printed.length).toBeGreaterThan(20);
    expect(pair.hostText()).toBe(pair.line.printed.map(({ text }) => text).join(''));
  });

  test('carries text both ways while it is plain', async () => {
    const pair = makePair({ rate: 11_520 });
    pair.device.writeText(Buffer.from('Grüße\r\nlogin: '));
    pair.host.writeText(Buffer.from('root\x03\r'));
    await pair.clock.run(200);
    expect(Buffer.from(pair.hostText(), 'latin1').toString()).toBe('Grüße\r\nlogin: ');
    expect(pair.deviceText()).toBe('root\x03\r');
  });

  test('ends on both sides with a goodbye, and can begin again', async () => {
    const pair = makePair({ rate: 11_520 });
    for (let round = 0; round < 3; round += 1) {
      await connect(pair);
      expect(pair.device.state).toBe('up');
      expect(pair.host.peerBootId).toBe('boot-1');
      pair.host.disconnect();
      await pair.clock.runUntil(() => pair.device.state === 'plain', 1000);
      expect([pair.host.state, pair.device.state]).toEqual(['plain', 'plain']);
    }
  });

  test('is plain again within 3 s when the host disappears, and the host is told when it comes back', async () => {
    const pair = makePair({ rate: 11_520 });
    await connect(pair);
    const reasons: string[] = [];
    pair.host.on('down', (reason) => reasons.push(reason));
    const stream = pair.host.openStream('api', priorities.api);
    const half = drive(stream, Buffer.from('x'), 1);
    pair.line.cut();
    expect(await pair.clock.runUntil(() => pair.device.state === 'plain', 3500)).toBe(true);
    await pair.clock.run(100);
    pair.line.mend();
    expect(await pair.clock.runUntil(() => pair.host.state === 'plain', 1500)).toBe(true);
    expect(reasons).toEqual(['the device ended the session']);
    expect(half.error?.message).toContain('the link is down');
  });

  test('takes a new host in place of the old one', async () => {
    const pair = makePair({});
    await connect(pair);
    const reasons: string[] = [];
    pair.device.on('down', (reason) => reasons.push(reason));
    const newcomer = createLink(pair.line.host, { role: 'host', clock: pair.clock });
    newcomer.connect({ deadlineMs: 1000 }).catch(() => {});
    expect(await pair.clock.runUntil(() => newcomer.state === 'up', 1000)).toBe(true);
    expect(reasons).toEqual(['another session replaced this one']);
    expect(pair.device.state).toBe('up');
  });

  test('notices a device that began anew, and connects to it at once', async () => {
    const pair = makePair({});
    await connect(pair);
    pair.line.inject('host', Buffer.from('\x1b_gantry;1;boot-2\x1b\\'));
    expect(await pair.clock.runUntil(() => pair.host.state === 'plain', 10)).toBe(true);
  });

  test('does not take its own frames for answers when a terminal echoes them', async () => {
    const clock = new SimulatedClock();
    const line = createLine({ clock, seed: 1 });
    line.device.on('data', (chunk: Buffer) => line.device.write(chunk));
    const host = createLink(line.host, { role: 'host', clock });
    let failure: unknown;
    host.connect({ deadlineMs: 5000 }).catch((error: unknown) => (failure = error));
    await clock.run(6000);
    expect(failure).toBeInstanceOf(LinkError);
    expect(failure).toMatchObject({ code: 'timeout' });
  });

  test('names the versions when the device speaks another one', async () => {
    const clock = new SimulatedClock();
    const line = createLine({ clock, seed: 1 });
    const host = createLink(line.host, { role: 'host', clock });
    let failure: unknown;
    host.connect({ deadlineMs: 5000 }).catch((error: unknown) => (failure = error));
    let heard = Buffer.alloc(0);
    line.device.on('data', (chunk: Buffer) => (heard = Buffer.concat([heard, chunk])));
    await clock.runUntil(() => heard.length > 0, 1000);
    const hello = unstuff(heard.subarray(1, heard.indexOf(END)));
    const session = hello?.body.readUInt32BE(2) ?? 0;
    const answer = encodeHandshake({ kind: 'refuse', version: 9, session, message: '' });
    line.device.write(encodeFrame(answer, HANDSHAKE_SEED));
    await clock.run(1000);
    expect(failure).toMatchObject({ code: 'version', message: expect.stringContaining('version 9') });
  });

  test('does not press keys in a boot loader', async () => {
    const clock = new SimulatedClock();
    const line = createLine({ clock, seed: 1 });
    const host = createLink(line.host, { role: 'host', clock });
    let heard = 0;
    line.device.on('data', (chunk: Buffer) => (heard += chunk.length));
    line.device.write('U-Boot 2023.01\r\nHit any key to stop autoboot:  3 ');
    await clock.run(10);
    host.connect({ deadlineMs: 30_000 }).catch(() => {});
    await clock.run(8000);
    expect(heard).toBe(0);
    line.device.write(`\b\b0 \r\nStarting kernel ...\r\n${'Booting Linux\r\n'.repeat(40)}`);
    await clock.run(2000);
    expect(heard).toBeGreaterThan(0);
  });

  test('survives random bytes, also in frames whose checksum fits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ bytes: fc.uint8Array({ maxLength: 300 }), framed: fc.boolean() }), { maxLength: 30 }),
        async (junk) => {
          const clock = new SimulatedClock();
          const line = createLine({ clock, seed: 1 });
          const device = createLink(line.device, { role: 'device', clock });
          device.on('stream', (stream) => stream.resume());
          const hello = encodeHandshake({ kind: 'hello', version: PROTOCOL_VERSION, session: 7, bytesPerSecond: 0 });
          for (const { bytes, framed } of junk) {
            line.inject('device', encodeFrame(hello, HANDSHAKE_SEED));
            const body = Buffer.concat([Buffer.of(0xa0), bytes]);
            line.inject('device', framed ? encodeFrame(body, sessionSeed(7, 'host')) : Buffer.from(bytes));
          }
          await clock.run(5000);
          expect(device.state).toBe('plain');
          line.inject('device', encodeFrame(hello, HANDSHAKE_SEED));
          await clock.run(10);
          expect(device.state).toBe('up');
        },
      ),
      { numRuns: 100 },
    );
  }, 60_000);
});

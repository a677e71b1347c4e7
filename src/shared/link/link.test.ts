import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from '../../../test/line/clock.ts';
import { steadyLines } from '../../../test/line/kernel.ts';
import { createLine } from '../../../test/line/line.ts';
import { connect, drive, type Half, makePair } from '../../../test/line/pair.ts';
import { randomBytes } from '../../../test/line/random.ts';
import type { Clock } from './clock.ts';
import { END, encodeFrame, unstuff } from './frame.ts';
import { encodeHandshake, HANDSHAKE_SEED } from './handshake.ts';
import { createLink } from './link.ts';
import { LinkError } from './link-error.ts';
import { priorities } from './link-options.ts';

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

  test('keeps the line busy also in a process that is only woken every 100 ms', async () => {
    const clock = new SimulatedClock();
    const untilWoken = (ms: number): number => Math.ceil((clock.now() + ms) / 100) * 100 - clock.now();
    const late: Clock = {
      now: () => clock.now(),
      after: (ms, action) => clock.after(ms > 0 ? untilWoken(ms) : 0, action),
    };
    const line = createLine({ clock, seed: 1, bytesPerSecond: 11_520, toHost: { coalesceMs: 100 } });
    const host = createLink(line.host, { role: 'host', clock: late, bytesPerSecond: 11_520 });
    const device = createLink(line.device, { role: 'device', clock });
    host.connect({ deadlineMs: 5000 }).catch(() => undefined);
    await clock.runUntil(() => host.state === 'up', 5000);
    let there: Half | undefined;
    device.on('stream', (stream) => (there = drive(stream, Buffer.alloc(0), 1)));
    const before = clock.now();
    drive(host.openStream('api', priorities.api), randomBytes(5, 100_000), 1);
    expect(await clock.runUntil(() => there?.ended === true, 60_000)).toBe(true);
    // Simulated time: 100,000 bytes need 8.7 s on a perfect line. Written 20 ms ahead only, they take 14 s.
    expect(clock.now() - before).toBeLessThan(9500);
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
    const block = randomBytes(1, 10_000);
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

  test('costs next to nothing for a list that is asked for again', async () => {
    const pair = makePair({ rate: 11_520 });
    await connect(pair);
    const list = (minutes: number): Buffer =>
      Buffer.from(
        JSON.stringify(
          Array.from({ length: 20 }, (_, index) => ({
            Id: randomBytes(index, 32).toString('hex'),
            Names: [`/component-${index}`],
            Status: `Up ${minutes} minutes (healthy)`,
          })),
        ),
      );
    let asked = 0;
    pair.device.on('stream', (stream) => stream.on('data', () => stream.write(list(++asked))));
    const stream = pair.host.openStream('api', priorities.api);
    let received = '';
    stream.on('data', (piece: Buffer) => (received += piece.toString()));
    const costs: number[] = [];
    for (const minutes of [1, 2]) {
      received = '';
      const before = pair.line.bytes;
      stream.write('GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n');
      expect(await pair.clock.runUntil(() => received === list(minutes).toString(), 2000)).toBe(true);
      costs.push(pair.line.bytes - before);
    }
    expect(costs[1]).toBeLessThan(150);
  });

  test('keeps flow control and translated bytes out of careful frames', async () => {
    const pair = makePair({ careful: true });
    const seen = new Set<number>();
    for (const end of [pair.line.host, pair.line.device]) {
      end.on('data', (piece: Buffer) => {
        for (const byte of piece) seen.add(byte);
      });
    }
    await connect(pair);
    pair.device.on('stream', (stream) => stream.pipe(stream));
    const data = randomBytes(4, 50_000);
    const mine = drive(pair.host.openStream('api', priorities.api), data, 5);
    expect(await pair.clock.runUntil(() => mine.closed, 60_000)).toBe(true);
    expect(Buffer.concat(mine.received).equals(data)).toBe(true);
    expect([0x00, 0x0a, 0x0d, 0x11, 0x13].filter((byte) => seen.has(byte))).toEqual([]);
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
});

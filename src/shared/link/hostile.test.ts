import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from '../../../test/line/clock.ts';
import { createLine, type Line } from '../../../test/line/line.ts';
import { FrameDecoder } from './decoder.ts';
import { encodeFrame, START, sessionSeed } from './frame.ts';
import { decodeHandshake, encodeHandshake, HANDSHAKE_SEED, isHandshake, PROTOCOL_VERSION } from './handshake.ts';
import { createLink, type Link } from './link.ts';
import { priorities } from './link-options.ts';
import { type Chunk, encodePacket } from './packet.ts';

const SESSION = 7;
const features = { compression: true, careful: false, speed: false };
const whole = { shortNumber: false, shortOffset: false };

/** What somebody may put on the line: noise, frames of this session whose checksum fits, handshakes at any moment. */
type Attack =
  | { type: 'noise'; bytes: Buffer }
  | { type: 'body'; bytes: Buffer }
  | { type: 'packet'; number: number; chunks: Chunk[] }
  | { type: 'hello' | 'accept' | 'refuse'; version: number; session: number };

const number = fc.oneof(fc.nat(300), fc.maxSafeNat());
const id = fc.oneof(fc.nat(10), fc.maxSafeNat());
const chunk: fc.Arbitrary<Chunk> = fc.oneof(
  fc.record({
    type: fc.constant('ack' as const),
    ranges: fc.tuple(number, fc.nat(100)).map(([start, length]) => [{ start, end: start + length + 1 }]),
    delay: fc.nat(255),
  }),
  fc.record({
    type: fc.constant('data' as const),
    stream: id,
    offset: fc.oneof(fc.nat(200), fc.nat(70_000), fc.maxSafeNat()),
    fin: fc.boolean(),
    data: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({ type: fc.constant('open' as const), stream: id, priority: fc.nat(255), service: fc.string() }),
  fc.record({ type: fc.constant('credit' as const), stream: id, limit: number }),
  fc.record({ type: fc.constant('reset' as const), stream: id, reason: fc.string() }),
  fc.record({ type: fc.constant('ping' as const) }),
  fc.record({ type: fc.constant('bye' as const), reason: fc.string() }),
);
const version = fc.oneof(fc.constant(PROTOCOL_VERSION), fc.nat(255));
const session = fc.oneof(fc.constant(SESSION), fc.nat(0xffff_ffff));
const bytes = fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array));
const attack: fc.Arbitrary<Attack> = fc.oneof(
  fc.record({ type: fc.constant('noise' as const), bytes }),
  fc.record({ type: fc.constant('body' as const), bytes }),
  fc.record({ type: fc.constant('packet' as const), number, chunks: fc.array(chunk, { maxLength: 5 }) }),
  fc.record({ type: fc.constantFrom('hello' as const, 'accept' as const, 'refuse' as const), version, session }),
);

function encode(one: Attack, sender: 'host' | 'device', sessionId: number): Buffer {
  if (one.type === 'noise') return one.bytes;
  const seed = sessionSeed(sessionId, sender);
  if (one.type === 'body') return encodeFrame(Buffer.concat([Buffer.of(0xa0), one.bytes]), seed);
  if (one.type === 'packet') {
    const { body, salt } = encodePacket(one.number, one.chunks, whole);
    return encodeFrame(body, (seed ^ salt) >>> 0);
  }
  const { version, session } = one;
  const message = { version, session };
  if (one.type === 'hello') return handshake({ kind: 'hello', bytesPerSecond: 0, features, ...message });
  if (one.type === 'accept') return handshake({ kind: 'accept', bootId: 'x', features, ...message });
  return handshake({ kind: 'refuse', message: 'no', ...message });
}

function handshake(message: Parameters<typeof encodeHandshake>[0]): Buffer {
  return encodeFrame(encodeHandshake(message), HANDSHAKE_SEED);
}

function makeDevice(): { clock: SimulatedClock; line: Line; device: Link } {
  const clock = new SimulatedClock();
  const line = createLine({ clock, seed: 1 });
  const device = createLink(line.device, { role: 'device', clock, bootId: 'boot' });
  device.on('stream', (stream) => stream.pipe(stream));
  return { clock, line, device };
}

const hello = handshake({ kind: 'hello', version: PROTOCOL_VERSION, session: SESSION, bytesPerSecond: 0, features });

describe('whatever the other side sends', () => {
  test('a device goes on, and serves the next host', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(attack, { maxLength: 30 }), async (attacks) => {
        const { clock, line, device } = makeDevice();
        for (const one of attacks) {
          if (device.state !== 'up') line.inject('device', hello);
          line.inject('device', encode(one, 'host', SESSION));
          await clock.run(5);
        }
        await clock.run(5000);
        expect(device.state).toBe('plain');
        await expectService(clock, line);
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  test('a host goes on, and can connect again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(attack, { maxLength: 30 }), async (attacks) => {
        const clock = new SimulatedClock();
        const line = createLine({ clock, seed: 1 });
        const host = createLink(line.host, { role: 'host', clock });
        const evil = acceptEverything(clock, line);
        for (const one of attacks) {
          if (host.state === 'plain') {
            host.connect({ deadlineMs: 1000 }).then(
              () => host.openStream('api', priorities.api).on('error', () => {}),
              () => undefined,
            );
            await clock.run(5);
          }
          line.inject('host', encode(one, 'device', evil.session()));
          await clock.run(5);
        }
        evil.leave();
        host.disconnect();
        await clock.run(2000);
        expect(host.state).toBe('plain');
        createLink(line.device, { role: 'device', clock, bootId: 'good' });
        await expectConnected(clock, host);
        expect(host.peerBootId).toBe('good');
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  test('memory has an end', async () => {
    const { clock, line, device } = makeDevice();
    line.host.resume();
    line.inject('device', hello);
    await clock.run(5);
    const before = await memory();
    let sent = 0;
    for (let packet = 0; packet < 6000; packet += 1) {
      if (device.state !== 'up') line.inject('device', hello);
      // Holes in all streams, more data than there is credit for, more streams than there may be, useless requests.
      const stream = 1 + 2 * (packet % 20);
      const offset = 1 + 1400 * Math.floor(packet / 20);
      const data: Chunk = { type: 'data', stream, offset, fin: false, data: Buffer.alloc(1300, packet) };
      const chunks: Chunk[] = [{ type: 'credit', stream: 101 + 2 * packet, limit: 2 ** 40 }, { type: 'ping' }, data];
      const bytes = encode({ type: 'packet', number: 2 * packet, chunks }, 'host', SESSION);
      sent += bytes.length;
      line.inject('device', bytes);
      if (packet % 50 === 0) await clock.run(1);
      if (packet % 1000 === 0) line.inject('device', Buffer.alloc(20_000, START + (packet % 3)));
    }
    expect(sent).toBeGreaterThan(7.8e6);
    // A session promises to take 64 KiB on each stream.
    expect((await memory()) - before).toBeLessThan(4e6);
    await clock.run(5000);
    await expectService(clock, line);
  }, 120_000);
});

/** A device that accepts any session and says nothing more by itself. */
function acceptEverything(clock: SimulatedClock, line: Line): { session(): number; leave(): void } {
  let session = 0;
  const decoder = new FrameDecoder({
    clock,
    accept: (body, check) => {
      if (!isHandshake(body[0]) || crc32(body, HANDSHAKE_SEED) !== check) return undefined;
      return () => {
        session = decodeHandshake(body).session;
        line.device.write(handshake({ kind: 'accept', version: PROTOCOL_VERSION, session, bootId: 'evil', features }));
      };
    },
    onText: () => {},
  });
  const listener = (piece: Buffer): void => decoder.push(piece);
  line.device.on('data', listener);
  return {
    session: () => session,
    leave: () => {
      line.device.off('data', listener);
      decoder.close();
    },
  };
}

/** A host that comes now is served as if nothing had been. */
async function expectService(clock: SimulatedClock, line: Line): Promise<void> {
  const host = createLink(line.host, { role: 'host', clock });
  await expectConnected(clock, host);
  const stream = host.openStream('echo', priorities.api);
  let echo = '';
  stream.on('data', (piece: Buffer) => {
    echo += piece.toString();
  });
  stream.write('still here');
  expect(await clock.runUntil(() => echo === 'still here', 2000)).toBe(true);
}

async function expectConnected(clock: SimulatedClock, host: Link): Promise<void> {
  host.connect({ deadlineMs: 20_000 }).catch(() => undefined);
  expect(await clock.runUntil(() => host.state === 'up', 20_000)).toBe(true);
}

/** Bytes in use after a collection. */
async function memory(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') for (let round = 0; round < 3; round += 1) collect();
  await new Promise((resolve) => setImmediate(resolve));
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

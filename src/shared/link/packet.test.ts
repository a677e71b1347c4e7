import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedError } from './bytes.ts';
import { type Chunk, encodedLength, encodePacket, openPacket } from './packet.ts';
import { RangeSet } from './ranges.ts';

const number = fc.maxSafeNat();
const id = fc.nat();
const ranges = fc
  .array(fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 50 })), { minLength: 1, maxLength: 20 })
  .map((list) => {
    const set = new RangeSet();
    for (const [start, length] of list) set.add(start, start + length);
    return [...set.ranges];
  });
const chunk: fc.Arbitrary<Chunk> = fc.oneof(
  fc.record({ type: fc.constant('ack' as const), ranges, delay: fc.nat(255) }),
  fc.record({
    type: fc.constant('data' as const),
    stream: id,
    offset: number,
    fin: fc.boolean(),
    data: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    type: fc.constant('open' as const),
    stream: id,
    priority: fc.nat(255),
    service: fc.string({ maxLength: 20 }),
  }),
  fc.record({ type: fc.constant('credit' as const), stream: id, limit: number }),
  fc.record({ type: fc.constant('reset' as const), stream: id, reason: fc.string({ maxLength: 20 }) }),
  fc.record({ type: fc.constant('ping' as const) }),
  fc.record({ type: fc.constant('bye' as const), reason: fc.string({ maxLength: 20 }) }),
);

const whole = { shortNumber: false, shortOffset: false };
const nothing = { nextNumber: 0, reach: () => undefined };

test('a packet comes out as it went in, and is as long as its chunks say', () => {
  fc.assert(
    fc.property(number, fc.array(chunk, { maxLength: 6 }), (packetNumber, chunks) => {
      const { body, salt } = encodePacket(packetNumber, chunks, whole);
      const packet = openPacket(body, nothing);
      expect(packet).toMatchObject({ number: packetNumber, salt });
      expect(packet?.chunks()).toEqual(chunks);
      const bare = encodePacket(packetNumber, [], whole).body.length;
      const [only] = chunks;
      if (chunks.length === 1 && only?.type === 'data') return;
      expect(body.length).toBe(chunks.reduce((sum, one) => sum + encodedLength(one), bare));
    }),
  );
});

test('short fields are completed from what was received, or the checksum shows it', () => {
  const data = Buffer.from('data');
  fc.assert(
    fc.property(number, number, fc.nat(1000), fc.integer({ min: -100_000, max: 100_000 }), (n, at, missed, apart) => {
      const offset = Math.max(0, at - 200_000);
      const reach = Math.max(0, offset + apart);
      const chunks: Chunk[] = [{ type: 'data', stream: 3, offset, fin: false, data }];
      const { body, salt } = encodePacket(n, chunks, { shortNumber: true, shortOffset: true });
      const packet = openPacket(body, { nextNumber: Math.max(0, n - missed), reach: () => reach });
      const isCertain = (missed < 256 || n < 256) && Math.abs(offset - reach) < 0x7fff;
      if (isCertain || packet?.salt === salt) {
        expect(packet).toMatchObject({ number: n, salt });
        expect(packet?.chunks()).toEqual(chunks);
      }
    }),
  );
});

test('any bytes are a packet or malformed, nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const packet = openPacket(Buffer.concat([Buffer.of(0xa0 | ((bytes.length % 8) * 2)), bytes]), nothing);
      try {
        packet?.chunks();
        if (packet) expect(Number.isSafeInteger(packet.number)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a set of ranges holds what was added and not removed', () => {
  const step = fc.record({ add: fc.boolean(), start: fc.nat(60), length: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const set = new RangeSet();
      const model = new Set<number>();
      for (const { add, start, length } of steps) {
        for (let value = start; value < start + length; value += 1) add ? model.add(value) : model.delete(value);
        if (add) set.add(start, start + length);
        else set.remove(start, start + length);
      }
      const has = Array.from({ length: 90 }, (_, value) => set.has(value));
      expect(has).toEqual(Array.from({ length: 90 }, (_, value) => model.has(value)));
      const gaps = set
        .missing(0, 90)
        .flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
      expect(gaps).toEqual(Array.from({ length: 90 }, (_, value) => value).filter((value) => !model.has(value)));
      for (const [index, range] of set.ranges.entries()) {
        const next = set.ranges[index + 1];
        if (next) expect(range.end).toBeLessThan(next.start);
      }
    }),
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, MalformedError } from './bytes.ts';
import { type Chunk, decodePacket, encodedLength, encodePacket } from './packet.ts';
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
  fc.record({ type: fc.constant('ack' as const), ranges }),
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

test('a packet comes out as it went in, and is as long as its chunks say', () => {
  fc.assert(
    fc.property(number, fc.array(chunk, { maxLength: 6 }), (packetNumber, chunks) => {
      const bytes = encodePacket(packetNumber, chunks);
      expect(decodePacket(new ByteReader(bytes, 1))).toEqual({ number: packetNumber, chunks });
      const bare = encodePacket(packetNumber, []).length;
      expect(bytes.length).toBe(chunks.reduce((sum, one) => sum + encodedLength(one), bare));
    }),
  );
});

test('any bytes are a packet or malformed, nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        const packet = decodePacket(new ByteReader(Buffer.from(bytes)));
        expect(Number.isSafeInteger(packet.number)).toBe(true);
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

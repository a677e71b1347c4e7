import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRecord, RecordParser, type RecordType } from './records.ts';

const types: RecordType[] = ['words', 'data', 'end', 'fail'];
const record = fc.record({ type: fc.constantFrom(...types), bytes: fc.uint8Array({ maxLength: 200 }) });

test('records come out as they went in, however they were cut', () => {
  fc.assert(
    fc.property(fc.array(record), fc.array(fc.integer({ min: 1, max: 50 })), (records, cuts) => {
      const all = Buffer.concat(records.map(({ type, bytes }) => encodeRecord(type, Buffer.from(bytes))));
      const parser = new RecordParser();
      const out = [];
      let from = 0;
      for (const cut of cuts) {
        out.push(...parser.push(all.subarray(from, from + cut)));
        from += cut;
      }
      out.push(...parser.push(all.subarray(from)));
      expect(out.map(({ type, bytes }) => [type, [...bytes]])).toEqual(records.map((r) => [r.type, [...r.bytes]]));
    }),
  );
});

test('what is longer than a record becomes several', () => {
  const bytes = Buffer.alloc(200_000, 7);
  const out = new RecordParser().push(encodeRecord('data', bytes));
  expect(out.length).toBeGreaterThan(1);
  expect(Buffer.concat(out.map((part) => part.bytes)).equals(bytes)).toBe(true);
});

test('any bytes are records or an error, never more memory than came', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
      const parser = new RecordParser();
      try {
        for (const chunk of chunks)
          for (const { type } of parser.push(Buffer.from(chunk))) expect(types).toContain(type);
      } catch (error) {
        expect(String(error)).toContain('no record');
      }
    }),
  );
});

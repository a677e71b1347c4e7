import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clockStamp, fileStamp, LineStamps } from './line-stamps.ts';

const stamped = (...chunks: string[]): string => {
  const stamps = new LineStamps(() => '<>');
  return chunks.map((chunk) => stamps.push(Buffer.from(chunk)).toString()).join('');
};

test('each line has one stamp, at the moment of its first byte', () => {
  expect(stamped('a\r\nb', 'c\n', 'd')).toBe('<>a\r\n<>bc\n<>d');
  expect(stamped('a\n\rb\n')).toBe('<>a\n\r<>b\n');
  expect(stamped('\n\n')).toBe('<>\n<>\n');
  expect(stamped('')).toBe('');
});

test('without its stamps it is what came', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (chunks) => {
      const stamps = new LineStamps(() => '');
      const out = Buffer.concat(chunks.map((chunk) => stamps.push(Buffer.from(chunk))));
      expect(out.equals(Buffer.concat(chunks))).toBe(true);
    }),
  );
});

test('stamps', () => {
  expect(clockStamp(new Date(2026, 0, 2, 3, 4, 5, 6))).toBe('[03:04:05.006] ');
  expect(fileStamp(new Date('2026-01-02T03:04:05.006Z'))).toBe('2026-01-02T03:04:05.006Z ');
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asTyped, pacedPieces, sendPaced } from './paced.ts';

test('line ends become the Enter key', () => {
  expect(asTyped(Buffer.from('a\nb\r\nc\rd\n\n')).toString()).toBe('a\rb\rc\rd\r\r');
});

test('pieces fit a FIFO, end with lines, and leave the device half of the time', () => {
  const pieces = [...pacedPieces(Buffer.from(`printenv\n${'x'.repeat(40)}`), 115_200)];
  expect(pieces.map(({ bytes }) => bytes.toString())).toEqual([
    'printenv\r',
    'x'.repeat(16),
    'x'.repeat(16),
    'x'.repeat(8),
  ]);
  expect(pieces[0]?.pauseMs).toBeCloseTo(9 * (20_000 / 115_200) + 60);
  expect(pieces[1]?.pauseMs).toBeCloseTo(16 * (20_000 / 115_200));
});

test('nothing is lost or added', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const bytes = Buffer.from(text);
      const sent = Buffer.concat([...pacedPieces(bytes, undefined)].map((piece) => piece.bytes));
      expect(sent.equals(asTyped(bytes))).toBe(true);
    }),
  );
});

test('sending stops when it is told to', async () => {
  const stop = new AbortController();
  const sent: string[] = [];
  const write = async (bytes: Buffer): Promise<void> => {
    sent.push(bytes.toString());
    stop.abort();
  };
  await sendPaced(Buffer.from('one\ntwo\n'), write, { baud: 300, signal: stop.signal });
  expect(sent).toEqual(['one\r']);
});

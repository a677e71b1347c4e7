import { expect, it } from 'vitest';
import { LogRing } from './log-ring.ts';
import { LogSearch } from './log-search.ts';

function ringOf(...texts: string[]): LogRing {
  const ring = new LogRing(1 << 20);
  for (const text of texts) ring.append({ kind: 'stdout', time: '', text });
  return ring;
}

it('finds in slices, later lines too, and walks round', () => {
  const ring = ringOf('GET /', 'error: a', '\x1b[31mER\x1b[0mROR b', 'ok');
  const search = new LogSearch(ring, 'error');
  expect(search.advance(2)).toBe(false);
  expect(search.matches).toEqual([1]);
  expect(search.advance(10)).toBe(true);
  ring.append({ kind: 'stderr', time: '', text: 'Error c' });
  search.advance(10);
  expect(search.matches).toEqual([1, 2, 4]);
  expect([search.nearest(1, 1), search.nearest(4, 1), search.nearest(2, -1), search.nearest(1, -1)]).toEqual([
    2, 1, 1, 4,
  ]);
});

it('respects case when the query has capitals, and finds nothing for nothing', () => {
  const ring = ringOf('Error', 'error');
  const search = new LogSearch(ring, 'Error');
  search.advance(10);
  expect(search.matches).toEqual([0]);
  const empty = new LogSearch(ring, '');
  empty.advance(10);
  expect(empty.nearest(0, 1)).toBeUndefined();
});

it('shows what it found', () => {
  expect(new LogSearch(ringOf(), 'ab').highlight('xABxab')).toBe('x\x1b[7mAB\x1b[27mx\x1b[7mab\x1b[27m');
});

it('forgets evicted lines', () => {
  const ring = new LogRing(64 * 1024);
  const search = new LogSearch(ring, 'hit');
  for (let i = 0; i < 3000; i++) ring.append({ kind: 'stdout', time: '', text: `hit ${'.'.repeat(60)}` });
  search.advance(10_000);
  for (let i = 0; i < 3000; i++) ring.append({ kind: 'stdout', time: '', text: `miss ${'.'.repeat(60)}` });
  search.advance(10_000);
  expect(search.matches).toEqual([]);
});

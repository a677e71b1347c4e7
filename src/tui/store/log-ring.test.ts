import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LogEntry, LogRing } from './log-ring.ts';

const entry = (text: string): LogEntry => ({ kind: 'stdout', time: '2026-11-22T00:00:00Z', text });

describe('LogRing', () => {
  it('gives back exactly what was appended', () => {
    const arbitrary = fc.record({
      kind: fc.constantFrom('stdout', 'stderr', 'note'),
      time: fc.constantFrom('', '2026-11-22T01:02:03.000000004Z'),
      text: fc.string({ unit: 'grapheme' }),
    });
    fc.assert(
      fc.property(fc.array(arbitrary), (entries) => {
        const ring = new LogRing(1 << 20);
        for (const each of entries) ring.append(each as LogEntry);
        expect(entries.map((_, id) => ring.get(id))).toEqual(entries);
        expect(ring.get(entries.length)).toBeUndefined();
      }),
    );
  });

  it('stays within its bytes, evicts the oldest, counts them, and keeps ids', () => {
    const ring = new LogRing(256 * 1024);
    for (let i = 0; i < 20_000; i++) ring.append(entry(`line ${i} ${'x'.repeat(60)}`));
    expect(ring.end).toBe(20_000);
    expect(ring.first).toBe(ring.evicted);
    expect(ring.evicted).toBeGreaterThan(15_000);
    expect(ring.end - ring.first).toBeGreaterThan(1000);
    expect(ring.get(ring.first - 1)).toBeUndefined();
    for (const id of [ring.first, 18_000, 19_999]) expect(ring.get(id)?.text).toContain(`line ${id} `);
  });

  it('takes an entry larger than a chunk', () => {
    const ring = new LogRing(1);
    ring.append(entry('y'.repeat(200_000)));
    ring.append(entry('after'));
    expect(ring.get(1)?.text).toBe('after');
    expect(ring.evicted).toBe(1);
  });
});

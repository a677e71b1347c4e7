import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogRing } from './log-ring.ts';
import { initialLogView, type LogView, reveal, scroll, visibleRows } from './log-view.ts';

const size = { width: 10, height: 4 };
function ringOf(...texts: string[]): LogRing {
  const ring = new LogRing(1 << 20);
  for (const text of texts) ring.append({ kind: 'stdout', time: '2026-11-22T01:02:03.004Z', text });
  return ring;
}
const shown = (ring: LogRing, view: LogView) => visibleRows(ring, view, size).map((row) => row.text);
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);

describe('log view', () => {
  it('follows the newest line', () => {
    const ring = ringOf(...numbers(10));
    expect(shown(ring, initialLogView)).toEqual(['n6', 'n7', 'n8', 'n9']);
    ring.append({ kind: 'stdout', time: '', text: 'new' });
    expect(shown(ring, initialLogView)).toEqual(['n7', 'n8', 'n9', 'new']);
  });

  it('stays where it was scrolled to while lines arrive', () => {
    const ring = ringOf(...numbers(10));
    const paused = scroll(ring, initialLogView, size, -2);
    expect(shown(ring, paused)).toEqual(['n4', 'n5', 'n6', 'n7']);
    ring.append({ kind: 'stdout', time: '', text: 'new' });
    expect(shown(ring, paused)).toEqual(['n4', 'n5', 'n6', 'n7']);
  });

  it('stops at both ends', () => {
    const ring = ringOf(...numbers(10));
    expect(shown(ring, scroll(ring, initialLogView, size, -100))).toEqual(['n0', 'n1', 'n2', 'n3']);
    expect(shown(ring, scroll(ring, initialLogView, size, 100))).toEqual(['n6', 'n7', 'n8', 'n9']);
    expect(shown(ringOf('only'), scroll(ringOf('only'), initialLogView, size, -1))).toEqual(['only']);
  });

  it('wraps, and scrolls by rows', () => {
    const ring = ringOf('first', '0123456789abcdefghijKLMNO', 'last');
    const wrapped = { ...initialLogView, wrap: true };
    expect(shown(ring, wrapped)).toEqual(['0123456789', 'abcdefghij', 'KLMNO', 'last']);
    expect(shown(ring, scroll(ring, wrapped, size, -1))).toEqual(['first', '0123456789', 'abcdefghij', 'KLMNO']);
  });

  it('scrolls sideways and shows timestamps', () => {
    const ring = ringOf('0123456789abc');
    expect(shown(ring, { ...initialLogView, column: 5 })).toEqual(['56789abc']);
    expect(visibleRows(ring, { ...initialLogView, timestamps: true }, { width: 60, height: 1 })).toEqual([
      { id: 0, text: '2026-11-22T01:02:03.004 0123456789abc' },
    ]);
  });

  it('moves to the oldest line when what it showed was evicted', () => {
    const ring = new LogRing(64 * 1024);
    const paused = { ...initialLogView, follow: false, top: { id: 3, row: 0 } };
    for (let i = 0; i < 5000; i++) ring.append({ kind: 'stdout', time: '', text: `line ${i} ${'.'.repeat(40)}` });
    expect(visibleRows(ring, paused, size)[0]?.id).toBe(ring.first);
  });

  it('reveals a line without moving when it is on screen', () => {
    const ring = ringOf(...numbers(20));
    const view = reveal(ring, initialLogView, size, 5);
    expect(shown(ring, view)).toContain('n5');
    expect(reveal(ring, view, size, 6).top).toEqual(view.top);
  });

  it('always fills the pane when there is enough, wherever it is scrolled', () => {
    const lines = fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { minLength: 4, maxLength: 20 });
    fc.assert(
      fc.property(lines, fc.array(fc.integer({ min: -30, max: 30 })), fc.boolean(), (texts, moves, wrapped) => {
        const ring = ringOf(...texts.map((text) => text.replace(/[\x00-\x1f\x7f-\x9f]/g, '.')));
        let view: LogView = { ...initialLogView, wrap: wrapped };
        for (const rows of moves) view = scroll(ring, view, size, rows);
        expect(visibleRows(ring, view, size)).toHaveLength(size.height);
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { displayWidth, pad, sliceWidth, truncate, wrap } from './width.ts';

const graphemes = fc.array(fc.constantFrom('a', ' ', 'é', 'e\u0301', '日', '👍', '👩‍💻', '🇩🇪', '\x1b[31m', '\x1b[0m'), {
  maxLength: 20,
});
const bare = (text: string) => text.replace(/\x1b\[[0-9;]*m/g, '');

describe('displayWidth', () => {
  it.each([
    ['', 0],
    ['hello', 5],
    ['e\u0301', 1],
    ['日本', 4],
    ['👩‍💻', 2],
    ['🇩🇪', 2],
    ['\x1b[1;31mred\x1b[0m', 3],
    ['▁▂▃…', 4],
  ])('%j takes %i cells', (text, width) => expect(displayWidth(text)).toBe(width));
});

describe('cutting', () => {
  it('keeps the colour of what is left and resets it', () => {
    expect(sliceWidth('\x1b[31mabcdef\x1b[0m', 2, 4)).toBe('\x1b[31mcd\x1b[0m');
    expect(sliceWidth('ab\x1b[31mcd\x1b[0mef', 4, 6)).toBe('ef');
  });

  it('replaces half a wide character by a space', () => {
    expect(sliceWidth('日本', 1, 4)).toBe(' 本');
    expect(sliceWidth('日本', 0, 3)).toBe('日 ');
  });

  it('never exceeds the width, and pad fills it', () => {
    fc.assert(
      fc.property(graphemes, fc.nat(30), fc.nat(30), (parts, from, length) => {
        const text = parts.join('');
        expect(displayWidth(sliceWidth(text, from, from + length))).toBeLessThanOrEqual(length);
        expect(displayWidth(truncate(text, length))).toBeLessThanOrEqual(length);
        expect(displayWidth(pad(text, length))).toBe(length);
        expect(displayWidth(pad(text, length, 'right'))).toBe(length);
      }),
    );
  });

  it('wraps without losing anything, in rows that fit', () => {
    fc.assert(
      fc.property(graphemes, fc.integer({ min: 2, max: 12 }), (parts, width) => {
        const text = parts.join('');
        const rows = wrap(text, width);
        expect(rows.map(bare).join('')).toBe(bare(text));
        for (const row of rows) expect(displayWidth(row)).toBeLessThanOrEqual(width);
      }),
    );
  });
});

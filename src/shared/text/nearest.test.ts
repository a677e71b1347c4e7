import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distance, nearest } from './nearest.ts';

describe('distance', () => {
  it('is a metric as far as typing goes: zero for equal words, symmetric, at most the longer length', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(distance(a, a)).toBe(0);
        expect(distance(a, b)).toBe(distance(b, a));
        expect(distance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
        if (a !== b) expect(distance(a, b)).toBeGreaterThan(0);
      }),
    );
  });

  it('counts a swap of neighbours once', () => {
    expect(distance('wbe', 'web')).toBe(1);
  });
});

describe('nearest', () => {
  it('puts what was meant first', () => {
    expect(nearest('mosqito', ['web', 'sshd', 'mosquitto', 'dhcp'])[0]).toBe('mosquitto');
    expect(nearest('WEB', ['sshd', 'web'])[0]).toBe('web');
  });
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pauses } from './sampler.ts';

it('asks once a second at most, and keeps nine tenths of a slow line free', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 20_000, noNaN: true }), (busy) => {
      const { always, unlessWoken } = pauses(busy);
      expect(always).toBeGreaterThanOrEqual(100);
      expect(unlessWoken).toBeGreaterThanOrEqual(0);
      expect(always + unlessWoken).toBeGreaterThanOrEqual(999.9);
      expect(busy / (busy + always + unlessWoken)).toBeLessThanOrEqual(0.1001);
      expect(busy / (busy + always)).toBeLessThanOrEqual(0.2501);
    }),
  );
});

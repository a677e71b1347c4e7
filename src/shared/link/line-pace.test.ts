import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SimulatedClock } from '../../../test/line/clock.ts';
import { LinePace } from './line-pace.ts';

test('who has waited as long as the pace asks for may write, whatever is lost in the last digits of the time', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 1400 }), { minLength: 20, maxLength: 100 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.double({ min: 0, max: 1e6, noNaN: true }), async (packets, began) => {
      const clock = new SimulatedClock();
      await clock.run(began);
      const pace = new LinePace(clock, 11_520);
      for (const size of packets) {
        pace.sent(size);
        await clock.run(pace.delay);
        expect(pace.delay).toBe(0);
      }
    }),
    { numRuns: 300 },
  );
});

import { expect, it } from 'vitest';
import { RateMeter } from './rate.ts';

it('is known of a line, guessed of the others, and measured once enough has left', () => {
  expect(new RateMeter({ kind: 'serial', bytesPerSecond: 10_944 }).rate).toEqual({
    bytesPerSecond: 10_944,
    how: 'known',
  });
  const meter = new RateMeter({ kind: 'ssh' });
  const guess = meter.rate;
  expect(guess.how).toBe('guessed');
  meter.add(200_000, 5000);
  expect(meter.rate).toEqual(guess);
  meter.add(100_000, 5000);
  expect(meter.rate).toEqual({ bytesPerSecond: 30_000, how: 'measured' });
});

it('is not spoilt by many small things, of which each is answered late', () => {
  const meter = new RateMeter({ kind: 'ssh' });
  const guess = meter.rate;
  for (let swap = 0; swap < 1000; swap++) meter.add(700, 300);
  expect(meter.rate).toEqual(guess);
});

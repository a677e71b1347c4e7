import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ResumePoint } from './resume-point.ts';

it('begins with a tail and goes on at the second of the last line', () => {
  const point = new ResumePoint();
  expect(point.options(10)).toEqual({ tail: 10 });
  point.isKnown('2026-11-22T00:00:07.25Z');
  expect(point.options(10)).toEqual({ since: Date.parse('2026-11-22T00:00:07Z') / 1000 });
});

it('takes every line exactly once, wherever the streams break', () => {
  const nanos = fc.array(fc.nat(3_000_000), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(nanos, fc.array(fc.nat(40), { maxLength: 5 }), (offsets, breaks) => {
      // Times with many ties, as bursts have, in one and the same and in following seconds.
      const lines = offsets
        .map((offset) => Math.floor(offset / 200_000) * 200)
        .sort((a, b) => a - b)
        .map((ms, index) => ({
          ms,
          index,
          time: new Date(1_790_000_000_000 + ms).toISOString().replace('.000Z', 'Z'),
        }));
      const point = new ResumePoint();
      const taken: number[] = [];
      for (const stop of [...breaks, lines.length].sort((a, b) => a - b)) {
        const options = point.options(lines.length);
        const since = 'since' in options ? options.since : 0;
        for (const line of lines.slice(0, stop).filter((each) => Math.floor(Date.parse(each.time) / 1000) >= since)) {
          if (!point.isKnown(line.time)) taken.push(line.index);
        }
      }
      expect(taken).toEqual(lines.map((line) => line.index));
    }),
  );
});

import { expect, it } from 'vitest';
import { formatBytes, formatDuration, formatMilliseconds } from './format.ts';

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_600, '1.0 MB'],
  [123_456_789, '123 MB'],
  [5e15, '5000 TB'],
])('formatBytes(%d) is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

it.each([
  [-3, '0s'],
  [59.9, '59s'],
  [60, '1m'],
  [192, '3m12s'],
  [7200, '2h'],
  [90_000, '1d1h'],
])('formatDuration(%d) is %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

it.each([
  [12.4, '12 ms'],
  [999.6, '1.0 s'],
  [59_000, '59.0 s'],
  [61_000, '1m1s'],
])('formatMilliseconds(%d) is %s', (ms, text) => expect(formatMilliseconds(ms)).toBe(text));

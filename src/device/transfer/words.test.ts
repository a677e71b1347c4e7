import { expect, it } from 'vitest';
import type { TransferPart, TransferPlan } from '../../shared/api/types.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import { transferWords } from './words.ts';

const part = (method: TransferPart['method'], bytes: number, wholeBytes: number, files = 1): TransferPart => ({
  component: 'web',
  ref: 'web:2',
  diffId: digestOf(`${bytes}`),
  method,
  bytes,
  wholeBytes,
  files,
});
const plan = (parts: TransferPart[], bytesPerSecond: number, how: TransferPlan['rate']['how']): TransferPlan => {
  const bytes = parts.reduce((sum, one) => sum + one.bytes, 0);
  return { bytes, seconds: bytes / bytesPerSecond, rate: { bytesPerSecond, how }, parts };
};

it('says what travels, in which way, and how long it takes', () => {
  expect(transferWords(plan([], 11_000, 'known'))).toBe('nothing to send');
  expect(transferWords(plan([part('difference', 541, 729_000)], 11_000, 'known'))).toBe(
    '541 B instead of 729 kB: 1 file in 1 layer as a difference, about 49 ms at 11.0 kB/s',
  );
  expect(transferWords(plan([part('whole', 2e6, 2e6), part('difference', 1000, 5000, 3)], 2e6, 'guessed'))).toBe(
    '2.0 MB: 3 files in 1 layer as a difference, 1 whole layer, about 1.0 s at 2.0 MB/s (a guess)',
  );
  expect(transferWords(plan([part('whole', 44e6, 44e6)], 11_000, 'measured'))).toBe(
    '44.0 MB: 1 whole layer, about 1h6m at 11.0 kB/s (measured)',
  );
});

import { expect, test } from 'vitest';
import { parseByteSize } from './byte-size.ts';

test('sizes as Compose writes them', () => {
  expect(['64m', '64MB', '1.5g', '300 k', '512', '2b'].map(parseByteSize)).toEqual([
    64 << 20,
    64 << 20,
    1.5 * 2 ** 30,
    300 << 10,
    512,
    2,
  ]);
});

test('what is no size', () => {
  for (const text of ['', '0', 'm', '64x', '-1m', '1e9', '9999999999999g', '1..5g']) {
    expect(parseByteSize(text), text).toBeUndefined();
  }
});

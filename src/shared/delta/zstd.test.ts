import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { heedsDictionaries } from './zstd.ts';

test('this Node heeds dictionaries', () => {
  expect(heedsDictionaries()).toBe(true);
});

test('a Node that ignores them, on either side, or has no zstd is found out', () => {
  const compress = (content: Buffer, dictionary: Buffer) => zstdCompressSync(content, { dictionary });
  const decompress = (frame: Buffer, dictionary: Buffer) => zstdDecompressSync(frame, { dictionary });
  const plain = (content: Buffer) => zstdCompressSync(content);
  expect(heedsDictionaries({ compress: plain, decompress })).toBe(false);
  expect(heedsDictionaries({ compress, decompress: (frame) => zstdDecompressSync(frame) })).toBe(false);
  const absent = () => {
    throw new TypeError('zstdCompressSync is not a function');
  };
  expect(heedsDictionaries({ compress: absent, decompress })).toBe(false);
});

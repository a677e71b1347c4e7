import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomBytes } from '../../../test/line/random.ts';
import { BlockDecoder, BlockEncoder } from './compression.ts';

function components(minutes: number): Buffer {
  const list = Array.from({ length: 20 }, (_, index) => ({
    Id: randomBytes(index, 32).toString('hex'),
    Names: [`/component-${index}`],
    Image: `web-${index}:1`,
    ImageID: `sha256:${randomBytes(index + 50, 32).toString('hex')}`,
    Command: '/usr/sbin/nginx -g "daemon off;"',
    State: 'running',
    Status: `Up ${minutes} minutes (healthy)`,
  }));
  const body = JSON.stringify(list);
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sun, 22 Nov 2026 08:0${minutes}:00 GMT\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.from(head + body);
}

test('what goes in comes out, however it is cut', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20_000 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ maxLength: 3000 }).map((text) => Buffer.from(text.repeat(5))),
    fc.nat(20).map((seed) => randomBytes(seed, 30_000)),
    fc.constantFrom(components(1), components(2)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 3000 })), (pieces, cuts) => {
      const encoder = new BlockEncoder();
      const decoder = new BlockDecoder();
      let sent = Buffer.concat(pieces.map((one) => encoder.encode(one)));
      const got: Buffer[] = [];
      for (const cut of cuts) {
        got.push(...decoder.push(sent.subarray(0, cut)));
        sent = sent.subarray(cut);
      }
      got.push(...decoder.push(sent));
      expect(Buffer.concat(got).equals(Buffer.concat(pieces))).toBe(true);
      expect(decoder.isBetweenBlocks).toBe(true);
    }),
  );
});

test('a list of 20 components that is asked for again costs what changed', () => {
  const encoder = new BlockEncoder();
  expect(encoder.encode(components(3)).length).toBeLessThan(3500);
  expect(encoder.encode(components(4)).length).toBeLessThan(150);
  expect(encoder.encode(components(4)).length).toBeLessThan(100);
});

test('log lines that come one by one are compressed against those before', () => {
  const encoder = new BlockEncoder();
  const lines = Array.from(
    { length: 300 },
    (_, n) => `2026-11-22T08:00:${n % 60}.${n}Z GET /page${n % 7}.html 200 ${n}ms\n`,
  );
  const sent = lines.reduce((sum, line) => sum + encoder.encode(Buffer.from(line)).length, 0);
  expect(sent).toBeLessThan(lines.join('').length / 1.5);
});

test('what does not shrink costs next to nothing', () => {
  const encoder = new BlockEncoder();
  const data = randomBytes(1, 256 * 1024);
  expect(encoder.encode(data).length).toBeLessThan(data.length * 1.001);
});

test('a long block that was not compressed is passed on as it arrives', () => {
  const decoder = new BlockDecoder();
  const sent = new BlockEncoder().encode(randomBytes(1, 8000));
  expect(Buffer.concat(decoder.push(sent.subarray(0, 500))).length).toBeGreaterThan(480);
});

test('hostile blocks are refused, and never grow', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 20 }), (pieces) => {
      const decoder = new BlockDecoder();
      let length = 0;
      let wrong: unknown;
      try {
        for (const piece of pieces) length += Buffer.concat(decoder.push(Buffer.from(piece))).length;
      } catch (error) {
        wrong = error;
      }
      if (wrong !== undefined) expect(wrong).toBeInstanceOf(Error);
      expect(length).toBeLessThanOrEqual(20 * 400);
    }),
    { numRuns: 500 },
  );
  const bomb = zstdCompressSync(Buffer.alloc(1_000_000)).subarray(4);
  expect(() => new BlockDecoder().push(Buffer.concat([Buffer.of(1, bomb.length), bomb]))).toThrow();
});

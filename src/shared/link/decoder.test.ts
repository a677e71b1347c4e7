import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SimulatedClock } from '../../../test/line/clock.ts';
import { FrameDecoder } from './decoder.ts';
import { END, encodeFrame, MAX_BODY, MAX_STUFFED, START } from './frame.ts';

const SEED = 5;

function makeDecoder(): { clock: SimulatedClock; decoder: FrameDecoder; frames: Buffer[]; text: () => string } {
  const clock = new SimulatedClock();
  const frames: Buffer[] = [];
  const texts: Buffer[] = [];
  const decoder = new FrameDecoder({
    clock,
    accept: (body, check) => (crc32(body, SEED) === check ? () => frames.push(Buffer.from(body)) : undefined),
    onText: (text) => texts.push(Buffer.from(text)),
  });
  return { clock, decoder, frames, text: () => Buffer.concat(texts).toString() };
}

/** As the link's frames do, it begins with a byte that is not text. */
const body = fc.uint8Array({ maxLength: MAX_BODY - 1 }).map((bytes) => Buffer.concat([Buffer.of(0xa0), bytes]));
const text = fc.string({ unit: 'grapheme', maxLength: 60 }).filter((value) => value.isWellFormed());
/** A stream of frames and text, cut anywhere. */
const parts = fc.array(fc.oneof(body, text), { maxLength: 12 });
const cuts = fc.array(fc.nat(400), { maxLength: 60 });

function pieces(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const result: Buffer[] = [];
  let from = 0;
  for (const length of lengths) {
    result.push(bytes.subarray(from, from + length));
    from += length;
  }
  return [...result, bytes.subarray(from)];
}

test('separates frames from text, however the bytes are cut', () => {
  fc.assert(
    fc.property(parts, cuts, (mixed, lengths) => {
      const { decoder, frames, text: shown } = makeDecoder();
      const line = Buffer.concat(
        mixed.map((part) => (typeof part === 'string' ? Buffer.from(part) : encodeFrame(part, SEED))),
      );
      for (const piece of pieces(line, lengths)) decoder.push(piece);
      expect(frames).toEqual(mixed.filter((part) => typeof part !== 'string'));
      expect(shown()).toBe(mixed.filter((part) => typeof part === 'string').join(''));
    }),
  );
});

test('cuts a kernel line out of a frame and uses both', () => {
  fc.assert(
    fc.property(body, fc.nat(), fc.boolean(), (content, seed, hasStamp) => {
      const { decoder, frames, text: shown } = makeDecoder();
      const frame = encodeFrame(content, SEED);
      const at = 1 + (seed % (frame.length - 1));
      const line = hasStamp ? '[    1.234567] eth0: link up\r\n[    1.300000] done\r\n' : 'a daemon wrote this\r\n';
      decoder.push(Buffer.concat([frame.subarray(0, at), Buffer.from(line), frame.subarray(at)]));
      expect(frames).toEqual([content]);
      expect(shown()).toBe(line);
    }),
  );
});

test('cuts kernel lines out of several places of one frame', () => {
  fc.assert(
    fc.property(body, fc.array(fc.nat(), { minLength: 2, maxLength: 5 }), (content, seeds) => {
      const { decoder, frames, text: shown } = makeDecoder();
      const frame = encodeFrame(content, SEED);
      const places = seeds.map((seed) => 1 + (seed % (frame.length - 1))).sort((a, b) => a - b);
      const lines = places.map((_, index) => `[    1.00000${index}] usb 1-1: new device ${index}\r\n`);
      const parts = places.map((at, index) => [
        frame.subarray(places[index - 1] ?? 0, at),
        Buffer.from(lines[index] ?? ''),
      ]);
      decoder.push(Buffer.concat([...parts.flat(), frame.subarray(places.at(-1))]));
      expect(frames).toEqual([content]);
      expect(shown()).toBe(lines.join(''));
    }),
  );
});

test('pages that the kernel prints into one frame are shown, and the frame is used', () => {
  const { decoder, frames, text: shown } = makeDecoder();
  const content = Buffer.concat([Buffer.of(0xa0), Buffer.alloc(1000, 'frame')]);
  const frame = encodeFrame(content, SEED);
  const lines = Array.from(
    { length: 1000 },
    (_, n) => `[ ${String(n).padStart(4)}.000000] task:kworker/${n} state:S\r\n`,
  );
  decoder.push(frame.subarray(0, 500));
  for (const line of lines) decoder.push(Buffer.from(line));
  expect(shown().length).toBeGreaterThan(20_000);
  decoder.push(frame.subarray(500));
  expect(shown()).toBe(lines.join(''));
  expect(frames).toEqual([content]);
});

test('never gives a frame that was not sent, and finds the next good one', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), body, (junk, content) => {
      const { decoder, frames } = makeDecoder();
      for (const bytes of junk) decoder.push(Buffer.from(bytes));
      decoder.push(Buffer.of(END));
      decoder.push(encodeFrame(content, SEED));
      expect(frames).toEqual([content]);
    }),
  );
});

test('a careful frame has no control character, and is read like any other', () => {
  fc.assert(
    fc.property(body, (content) => {
      const { decoder, frames } = makeDecoder();
      const frame = encodeFrame(content, SEED, 'cooked');
      expect(frame.some((byte) => byte < 0x20 || byte === 0x7f)).toBe(false);
      decoder.push(frame);
      expect(frames).toEqual([content]);
    }),
  );
});

test('a damaged frame gives no frame', () => {
  fc.assert(
    fc.property(body, fc.nat(), fc.integer({ min: 0, max: 7 }), (content, seed, bit) => {
      const { decoder, frames } = makeDecoder();
      const frame = encodeFrame(content, SEED);
      const at = seed % frame.length;
      frame[at] = (frame[at] ?? 0) ^ (1 << bit);
      decoder.push(frame);
      expect(frames).toEqual([]);
    }),
  );
});

test('the rest of a frame that lost its start is not shown', () => {
  const { decoder, text: shown } = makeDecoder();
  decoder.push(Buffer.from('before '));
  decoder.push(encodeFrame(Buffer.from('\xa0GET /secret', 'latin1'), SEED).subarray(1));
  decoder.push(Buffer.from('after'));
  expect(shown()).toBe('before after');
});

test('text behind a start that noise made is shown after a moment', async () => {
  const { clock, decoder, text: shown } = makeDecoder();
  decoder.push(Buffer.concat([Buffer.of(START), Buffer.from('login: ')]));
  expect(shown()).toBe('');
  await clock.run(1000);
  expect(shown()).toBe('login: ');
});

test('bytes that are no text wait only a moment', async () => {
  const clock = new SimulatedClock();
  const texts: Buffer[] = [];
  const latin = new FrameDecoder({
    clock,
    accept: () => undefined,
    onText: (piece) => texts.push(piece),
  });
  latin.push(Buffer.from('caf\xe9 ouvert', 'latin1'));
  expect(Buffer.concat(texts).toString('latin1')).toBe('caf');
  await clock.run(150);
  expect(Buffer.concat(texts).toString('latin1')).toBe('caf\xe9 ouvert');
});

test('a frame without an end does not grow without bounds', () => {
  const { decoder, text: shown } = makeDecoder();
  decoder.push(Buffer.of(START));
  for (let sent = 0; sent <= MAX_STUFFED + 8192; sent += 100) decoder.push(Buffer.alloc(100, 0x41));
  expect(shown().length).toBeGreaterThan(MAX_STUFFED);
});

import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginning, formatCursor, parseCursor } from './cursor.ts';
import { formatNanos, parseK8sLine, parseNanos } from './k8s-line.ts';
import { LogReader, type ReadOptions, readLog } from './reader.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-logs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const stamp = (second: number) => formatNanos(1_700_000_000_000_000_000n + BigInt(second) * 1_000_000_000n);

async function read(path: string, options?: ReadOptions): Promise<string[]> {
  const lines: string[] = [];
  for await (const { stream, text } of readLog(path, options)) lines.push(`${stream}:${text}`);
  return lines;
}

test('times keep their nanoseconds, in any offset', () => {
  const nanos = parseNanos('2026-11-22T00:21:44.243807102+01:00');
  expect(nanos === undefined ? '' : formatNanos(nanos)).toBe('2026-11-21T23:21:44.243807102Z');
  expect(parseNanos('yesterday')).toBeUndefined();
});

test('bytes that are not text pass unchanged; junk is no line', () => {
  const bytes = Buffer.from([0xff, 0x00, 0x20, 0x41]);
  const line = Buffer.concat([Buffer.from(`${stamp(0)} stderr P `), bytes]);
  expect(parseK8sLine(line)).toMatchObject({ stream: 'stderr', partial: true, text: bytes });
  fc.assert(
    fc.property(fc.string(), (junk) => {
      const parsed = parseK8sLine(Buffer.from(junk));
      expect(parsed === undefined || ['stdout', 'stderr'].includes(parsed.stream)).toBe(true);
    }),
  );
});

test('long lines are put together for each stream by itself; an unfinished last line has no newline', async () => {
  const path = join(folder, 'partial.log');
  await writeFile(
    path,
    [
      `${stamp(0)} stdout P one `,
      `${stamp(0)} stderr F between`,
      `${stamp(1)} stdout P two `,
      `${stamp(1)} stdout F three`,
      `${stamp(2)} stdout P prompt>`,
      '',
    ].join('\n'),
  );
  expect(await read(path)).toEqual(['stderr:between\n', 'stdout:one two three\n', 'stdout:prompt>']);
  expect(await read(path, { since: parseNanos(stamp(2)) })).toEqual(['stdout:prompt>']);
  expect((await read(path, { tail: 1 })).at(-1)).toBe('stdout:prompt>');
});

test('the last lines are the same as those a whole reading ends with, over rotated files and blocks', async () => {
  const path = join(folder, 'tail.log');
  const line = fc.record({ length: fc.integer({ min: 0, max: 9000 }), partial: fc.constant(false) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(line, { maxLength: 30 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 60 }),
      async (files, tail) => {
        for (const [index, name] of [`${path}.2`, `${path}.1`, path].slice(3 - files.length).entries()) {
          const lines = (files[index] ?? []).map(
            ({ length }, i) => `${stamp(i)} stdout F ${index}:${i}:${'x'.repeat(length)}\n`,
          );
          await writeFile(name, lines.join(''));
        }
        const all = await read(path);
        expect(await read(path, { tail })).toEqual(tail === 0 ? [] : all.slice(-tail));
        for (const name of [`${path}.2`, `${path}.1`, path]) await rm(name, { force: true });
      },
    ),
    { numRuns: 40 },
  );
});

test('following goes over a rotation, loses nothing that was still written to the old file, and ends when it is over', async () => {
  const path = join(folder, 'follow.log');
  const log = (text: string) => `${stamp(0)} stdout F ${text}\n`;
  await writeFile(path, log('first'));
  let over = false;
  let wake: () => void = () => undefined;
  const seen: string[] = [];
  const steps = new Map<string, () => Promise<void>>([
    [
      'first',
      async () => {
        await rename(path, `${path}.1`);
        await appendFile(`${path}.1`, log('late'));
      },
    ],
    ['late', () => writeFile(path, log('second'))],
    [
      'second',
      async () => {
        await appendFile(path, log('last'));
        over = true;
      },
    ],
  ]);
  const follow = {
    over: () => over,
    changed: () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      }),
  };
  for await (const { text } of readLog(path, { follow })) {
    const word = text.toString().trim();
    seen.push(word);
    await steps.get(word)?.();
    wake();
  }
  expect(seen).toEqual(['first', 'late', 'second', 'last']);
});

test('a line that is never ended does not hold up its place for ever: it comes as it is', async () => {
  const path = join(folder, 'prompt.log');
  const lines = [`${stamp(0)} stderr P prompt>`];
  for (let i = 0; i < 70; i++) lines.push(`${stamp(i)} stdout F ${String(i).padEnd(1000, 'x')}`);
  await writeFile(path, `${lines.join('\n')}\n`);
  const all = await read(path);
  expect(all.indexOf('stderr:prompt>')).toBeGreaterThan(60);
  expect(all).toHaveLength(71);
});

test('what a power cut leaves (zeros, half lines, junk) costs no whole line, wherever it stands', async () => {
  const path = join(folder, 'torn.log');
  const junk = fc.oneof(
    fc.integer({ min: 1, max: 200_000 }).map((size) => ({ bytes: Buffer.alloc(size), ends: false })),
    fc.integer({ min: 1, max: 50 }).map((size) => ({
      bytes: Buffer.from(`${stamp(3)} stdout F torn`.slice(0, size)),
      ends: true,
    })),
    fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => ({
      bytes: Buffer.from(bytes.map((byte) => (byte === 10 ? 11 : byte))),
      ends: true,
    })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.option(junk), fc.nat(500)), { maxLength: 12 }), async (pieces) => {
      const parts: Buffer[] = [];
      const whole: string[] = [];
      for (const [index, [torn, length]] of pieces.entries()) {
        // What comes after a torn line begins on a line of its own (see endLastLine), after zeros it need not.
        if (torn) parts.push(torn.bytes, ...(torn.ends ? [Buffer.from('\n')] : []));
        whole.push(`stdout:${index}:${'x'.repeat(length)}\n`);
        parts.push(Buffer.from(`${stamp(index)} stdout F ${index}:${'x'.repeat(length)}\n`));
      }
      await writeFile(path, Buffer.concat(parts));
      const isWhole = (line: string) => /^stdout:\d+:x*\n$/.test(line);
      expect((await read(path)).filter(isWhole)).toEqual(whole);
      expect((await read(path, { tail: 2 })).filter(isWhole).at(-1)).toEqual(whole.at(-1));
      expect((await read(path, { since: parseNanos(stamp(4)) })).filter(isWhole)).toEqual(whole.slice(4));
    }),
    { numRuns: 60 },
  );
});

test('cursors are read as they were written; other text is none', () => {
  const number = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n });
  fc.assert(
    fc.property(fc.nat(), number, fc.nat(), number, fc.nat(), (inode, first, offset, last, taken) => {
      const cursor = { inode, first, offset, last, taken };
      expect(parseCursor(formatCursor(cursor))).toEqual(cursor);
    }),
  );
  expect(parseCursor(beginning)).toBe(beginning);
  for (const text of ['', '1.2.3', '1.2.3.4.5.6', 'A.1.1.1.1', '../x']) expect(parseCursor(text)).toBeUndefined();
});

test('after the end of a log was lost with the power, reading goes on behind what is older, and says so', async () => {
  const path = join(folder, 'cut-short.log');
  const line = (second: number) => `${stamp(second)} stdout F ${second}\n`;
  await writeFile(path, [0, 1, 2, 3].map(line).join(''));
  const reader = new LogReader(path);
  for await (const _ of reader.entries());
  await truncate(path, line(0).length * 2);
  await appendFile(path, [10, 11, 12].map(line).join(''));
  const from = parseCursor(reader.cursor ?? '');
  const again = await read(path, { from });
  expect(again[0]).toMatch(/^stderr:gantry: the end of this log was lost/);
  expect(again.slice(1)).toEqual(['stdout:10\n', 'stdout:11\n', 'stdout:12\n']);
});

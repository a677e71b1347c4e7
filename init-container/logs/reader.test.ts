import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatNanos, parseK8sLine, parseNanos } from './k8s-line.ts';
import { type ReadOptions, readLog } from './reader.ts';
import { rotateIfLarge } from './rotate.ts';

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

test('a log that has reached its size is moved aside, and only two old ones are kept', async () => {
  const path = join(folder, 'rotate.log');
  for (const word of ['a', 'b', 'c', 'd']) {
    await writeFile(path, `${stamp(0)} stdout F ${word}\n`);
    expect(await rotateIfLarge(path, 'no-such-container', 10)).toBe(true);
  }
  expect(await rotateIfLarge(path, 'no-such-container', 10)).toBe(false);
  expect(await read(path)).toEqual(['stdout:c\n', 'stdout:d\n']);
});

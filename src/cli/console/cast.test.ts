import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { CastWriter, readCast } from './cast.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-cast-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = (): string => join(folder, `${files++}.cast`);

async function read(path: string): Promise<{ at: number; text: string }[]> {
  const events = [];
  for await (const event of readCast(path)) events.push(event);
  return events;
}

test('a recording is asciicast 2, and nobody else may read it', () => {
  const path = newFile();
  let now = 5000;
  const cast = new CastWriter(path, { columns: 100, rows: 30 }, 'bench', () => now);
  cast.output(Buffer.from('boot\r\n'));
  now += 1234.5678;
  cast.marker('link up');
  cast.resize({ columns: 80, rows: 24 });
  cast.close();
  const [header, ...events] = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(header).toMatchObject({ version: 2, width: 100, height: 30, title: 'bench', timestamp: expect.any(Number) });
  expect(events).toEqual([
    [0, 'o', 'boot\r\n'],
    [1.234568, 'm', 'link up'],
    [1.234568, 'r', '80x24'],
  ]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('text comes back byte by byte, hostile or not, however it was cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 5 })),
      async (text, cuts) => {
        const path = newFile();
        const cast = new CastWriter(path, { columns: 80, rows: 24 }, text);
        const bytes = Buffer.from(text);
        let from = 0;
        for (const cut of cuts) {
          cast.output(bytes.subarray(from, from + cut));
          from += cut;
        }
        cast.output(bytes.subarray(from));
        cast.close();
        expect((await read(path)).map((event) => event.text).join('')).toBe(bytes.toString());
      },
    ),
    { numRuns: 50 },
  );
});

test('a line separator of Unicode is no end of a line', async () => {
  const path = newFile();
  const cast = new CastWriter(path, { columns: 80, rows: 24 }, 'x');
  cast.output(Buffer.from('a\u2028b\u2029c\r\n'));
  cast.close();
  expect(await read(path)).toEqual([{ at: expect.any(Number), text: 'a\u2028b\u2029c\r\n' }]);
});

test('what is no text is marked as such', async () => {
  const path = newFile();
  const cast = new CastWriter(path, { columns: 80, rows: 24 }, 'x');
  cast.output(Buffer.from([0x61, 0xff, 0x62, 0xe2, 0x82]));
  cast.close();
  expect((await read(path)).map((event) => event.text).join('')).toBe('a\ufffdb\ufffd');
});

test('a file that is there is not written over', () => {
  const path = newFile();
  writeFileSync(path, 'precious');
  expect(() => new CastWriter(path, { columns: 80, rows: 24 }, 'x')).toThrow('exists already');
  expect(readFileSync(path, 'utf8')).toBe('precious');
});

test.each([
  ['', 'is empty'],
  ['hello\n', 'no asciicast of version 2'],
  ['{"version":3,"term":{"cols":80,"rows":24}}\n', 'no asciicast of version 2'],
  ['{"version":2,"width":80,"height":24}\n[0.1,"o","a"]\n[0.2,"o"]\n', 'line 3 is no event'],
  ['{"version":2,"width":80,"height":24}\n[-1,"o","a"]\n', 'line 2 is no event'],
])('%j is refused', async (content, message) => {
  const path = newFile();
  writeFileSync(path, content);
  await expect(read(path)).rejects.toThrow(message);
});

test('recordings of others are read: other events are passed over, time never goes back', async () => {
  const path = newFile();
  writeFileSync(
    path,
    '{"version":2,"width":80,"height":24,"env":{"TERM":"xterm"}}\n[1,"o","a"]\n[0.5,"i","x"]\n[0.5,"o","b"]\n\n',
  );
  expect(await read(path)).toEqual([
    { at: 1, text: 'a' },
    { at: 1, text: 'b' },
  ]);
});

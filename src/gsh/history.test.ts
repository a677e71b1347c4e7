import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { History } from './history.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-history-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('lines outlive a session, but not empty, repeated and hidden ones', () => {
  const path = join(folder, 'new/history');
  const first = new History(path);
  for (const line of ['ps', 'ps', '', ' secret', 'logs web', 'ps']) first.add(line);
  expect(first.lines).toEqual(['ps', 'logs web', 'ps']);
  expect(new History(path).lines).toEqual(['ps', 'logs web', 'ps']);
});

test('the file does not grow for ever', () => {
  const path = join(folder, 'long');
  writeFileSync(path, Array.from({ length: 1200 }, (_, at) => `line ${at}\n`).join(''));
  const history = new History(path);
  expect(history.lines.length).toBe(500);
  expect(history.lines.at(-1)).toBe('line 1199');
  expect(readFileSync(path, 'utf8').split('\n').length).toBe(501);
});

test('a place that cannot be written to costs nothing but the history', () => {
  const history = new History(join(folder, 'long/below-a-file'));
  history.add('ps');
  expect(history.lines).toEqual(['ps']);
});

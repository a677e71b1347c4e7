import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { consoleTty } from './console-tty.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-tty-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ['ttyS0\n', '/dev/ttyS0'],
  ['tty0 ttyAMA0\n', '/dev/ttyAMA0'],
  ['ttyS0 ttyS1 tty0\n', '/dev/ttyS1'],
  ['hvc0\n', '/dev/hvc0'],
  ['tty0\n', undefined],
  ['\n', undefined],
])('of the consoles %j it is %s', (active, expected) => {
  const path = join(folder, 'active');
  writeFileSync(path, active);
  expect(consoleTty(path)).toBe(expected);
});

test('a system without consoles has none', () => {
  expect(consoleTty(join(folder, 'missing'))).toBeUndefined();
});

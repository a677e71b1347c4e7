import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { StoppedByHand } from './stopped-by-hand.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-stopped-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('what is remembered is there for the next boot, and what is forgotten is not', async () => {
  const path = join(folder, 'stopped.json');
  const first = await StoppedByHand.open(path);
  await Promise.all([first.remember('web'), first.remember('sshd'), first.forget('web')]);
  const next = await StoppedByHand.open(path);
  expect([next.has('web'), next.has('sshd')]).toEqual([false, true]);
});

test('a damaged file counts as empty, and a disk that takes nothing stops nobody', async () => {
  const path = join(folder, 'damaged.json');
  for (const content of ['', '{', '{"a":1}', '[1]']) {
    writeFileSync(path, content);
    const stopped = await StoppedByHand.open(path);
    expect(stopped.has('web')).toBe(false);
  }
  const stopped = await StoppedByHand.open(path);
  await stopped.remember('web');
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(['web']);
  const nowhere = await StoppedByHand.open(join(folder, 'no such folder', 'stopped.json'));
  await nowhere.remember('web');
  expect(nowhere.has('web')).toBe(true);
});

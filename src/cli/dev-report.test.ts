import { expect, it, onTestFinished, vi } from 'vitest';
import type { RoundResult } from '../dev/round-result.ts';
import { DevJson, roundLine } from './dev-report.ts';

const round: RoundResult = {
  changes: ['server.mjs'],
  outcome: 'running',
  buildMs: 38,
  sentBytes: 717,
  stages: [
    { stage: 'send', ms: 31 },
    { stage: 'stage', ms: 402 },
    { stage: 'probe', ms: 1205 },
  ],
  healthyMs: 1820,
  totalMs: 3100,
};
const at = new Date(2030, 0, 1, 14, 3, 22);
const lineOf = (more: Partial<RoundResult>) => roundLine({ ...round, ...more }, false, at);

it('says of a round what was saved, what it cost and how long it took', () => {
  expect(lineOf({})).toBe(
    '14:03:22 ✓ server.mjs: built in 38 ms, sent 717 B, stage 402 ms, probe 1.2 s: healthy after 1.8 s',
  );
});

it('says of one that failed why, and not how long what it came to took', () => {
  const message = 'web runs web:1 as before: it ended';
  const words = '14:03:22 ✗ server.mjs: built in 38 ms, sent 717 B: rolled back: web runs web:1 as before: it ended';
  expect(lineOf({ outcome: 'rolled-back', message })).toBe(words);
  // What the log has said is not said again.
  const more = `${message}; its last words: a | b`;
  expect(lineOf({ outcome: 'rolled-back', message: more })).toBe(words);
  expect(lineOf({ outcome: 'rolled-back', message: more, lastLines: [] })).toBe(`${words}; its last words: a | b`);
  expect(lineOf({ outcome: 'not-built', message: '/c/recipe.yml:3:1: bogus: unknown key' })).toBe(
    '14:03:22 ✗ server.mjs: not built: /c/recipe.yml:3:1: bogus: unknown key',
  );
  expect(lineOf({ outcome: 'unchanged', changes: ['README'], message: 'nothing of it is in the image' })).toBe(
    '14:03:22 = README: built in 38 ms: unchanged: nothing of it is in the image',
  );
});

it('names a few of many files, and lets no name play with the terminal', () => {
  expect(lineOf({ changes: ['a', 'b', 'c', 'd', 'e'] })).toContain(' a, b, c and 2 more: ');
  expect(lineOf({ changes: ['a\x1b[2Jb'] })).not.toContain('\x1b');
});

it('keeps colours out of JSON', () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  onTestFinished(() => write.mockRestore());
  new DevJson().ended({ ...round, outcome: 'rolled-back', lastLines: ['\x1b[31mno good\x1b[0m'] });
  const said = write.mock.calls.map(([text]) => JSON.parse(String(text)));
  expect(said).toEqual([expect.objectContaining({ event: 'round', lastLines: ['no good'] })]);
});

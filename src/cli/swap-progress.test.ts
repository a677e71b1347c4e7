import { stripVTControlCharacters } from 'node:util';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { SwapEvent } from '../shared/api/types.ts';
import { displayWidth } from '../shared/text/width.ts';
import { showSwap } from './swap-progress.ts';

it('writes over the line of an upload, which is never longer than the terminal is wide', async () => {
  const terminal = { isTTY: process.stderr.isTTY, columns: process.stderr.columns };
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.stubEnv('TERM', 'xterm');
  onTestFinished(() => {
    write.mockRestore();
    vi.unstubAllEnvs();
    Object.assign(process.stderr, terminal);
  });
  Object.assign(process.stderr, { isTTY: true, columns: 80 });
  const at = '2030-01-01T00:00:00.000Z';
  const sending = (done: number): SwapEvent => ({
    ...{ stage: 'stage', component: 'web', at, sending: true },
    message: 'sending registry.example.org/a-team/a-component-with-a-name:1.2.3-\u6e2c',
    progress: { done, total: 190_000, bytesPerSecond: 10_944, secondsLeft: (190_000 - done) / 10_944 },
  });
  const events = async function* () {
    for (const done of [0, 64_000, 128_000]) yield sending(done);
    yield { stage: 'done', component: 'web', at, message: 'web runs it' } satisfies SwapEvent;
  };
  await showSwap(events(), { color: true, signal: new AbortController().signal });
  const lines = write.mock.calls.map(([text]) => String(text));
  const moving = lines.slice(0, 3).map((line) => stripVTControlCharacters(line).replace('\r', ''));
  for (const line of moving) expect(displayWidth(line)).toBeLessThan(80);
  expect(moving.at(-1)).toMatch(
    /^stage {4}sending registry\.exampl… 128 kB of 190 kB \(67 %\) 10\.9 kB\/s, 5\.7 s left$/,
  );
  expect(lines.slice(1).every((line) => line.startsWith('\r\x1b[2K'))).toBe(true);
  expect(lines.at(-1)).toMatch(/web runs it\n$/);
});

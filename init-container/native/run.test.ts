import { expect, test } from 'vitest';
import { run } from './run.ts';

test('a command ends when it does, not when what it leaves in the background does', async () => {
  // Its output stays open for as long as the test may take.
  const result = await run(['sh', '-c', 'sleep 300 & echo $!; exit 3'], { timeoutMs: 30_000 });
  process.kill(Number(result.stdout), 'SIGKILL');
  expect(result).toMatchObject({ code: 3, timedOut: false });
}, 40_000);

test('at its time a command is killed, whatever holds its output', async () => {
  const result = await run(['sh', '-c', 'sleep 300 & echo $!; wait'], { timeoutMs: 1000 });
  process.kill(Number(result.stdout), 'SIGKILL');
  expect(result).toMatchObject({ code: undefined, timedOut: true });
}, 40_000);

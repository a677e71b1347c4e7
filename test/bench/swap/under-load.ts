import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { AtEnd } from '../../support/at-end.ts';
import type { LoadOptions, LoadReport } from '../../support/load.ts';

/** Runs `change` in the middle of load on port 80 of a network namespace, and tells what became of the requests. */
export async function underLoad(
  pid: number,
  options: Omit<LoadOptions, 'host' | 'port'>,
  change: () => Promise<unknown>,
  atEnd: AtEnd,
): Promise<LoadReport> {
  const wanted = JSON.stringify({ host: '127.0.0.1', port: 80, ...options });
  const into = ['nsenter', '-t', String(pid), '-n', '--', process.execPath, `${import.meta.dirname}/load-client.ts`];
  const child: ChildProcess = spawn('setpriv', ['--pdeathsig', 'KILL', ...into, wanted], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const kill = atEnd.add(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  if (!child.stdout || !child.stdin) throw new Error('the load has no input or output');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  // Before and after the change there must be answers enough to compare with.
  await delay(500);
  await change();
  await delay(500);
  child.stdin.end();
  const { value, done } = await lines.next();
  if (done) throw new Error('the load ended without a report');
  await kill();
  return JSON.parse(value) as LoadReport;
}

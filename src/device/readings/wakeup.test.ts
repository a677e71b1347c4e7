import { expect, it } from 'vitest';
import { Wakeup } from './wakeup.ts';

const long = 2 ** 31 - 1;

it('ends the wait under way, and the next one when none is', async () => {
  const wakeup = new Wakeup();
  const { signal } = new AbortController();
  const waiting = wakeup.wait(long, signal);
  wakeup.wake();
  await waiting;
  wakeup.wake();
  await wakeup.wait(long, signal);
});

it('ends with the reason of the signal', async () => {
  const abort = new AbortController();
  const waiting = new Wakeup().wait(long, abort.signal);
  abort.abort(new Error('over'));
  await expect(waiting).rejects.toThrow('over');
  await expect(new Wakeup().wait(long, abort.signal)).rejects.toThrow('over');
});

import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { setCooked } from './keyboard.ts';

/**
 * Stops the job as ctrl-z does in a terminal that is not in raw mode: the whole process group, so that a wrapper such as
 * npm stops too. Resolves when the job goes on, or at once where there is no shell to continue it.
 */
export async function stopJob(): Promise<void> {
  setCooked();
  const abort = new AbortController();
  const continued = once(process, 'SIGCONT', { signal: abort.signal }).catch(() => undefined);
  process.kill(0, 'SIGTSTP');
  // The kernel ignores the signal for a group without a controlling shell; the delay only elapses while we run.
  await Promise.race([continued, delay(200)]);
  abort.abort();
}

import { setTimeout as delay } from 'node:timers/promises';

/** Asks again until `ask` gives something, at most `seconds`; then fails with what was awaited and the last problem. */
export async function until<T>(what: string, seconds: number, ask: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let problem: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      problem = undefined;
    } catch (error) {
      problem = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${seconds} s in vain for ${what}${problem ? `: ${(problem as Error).message}` : ''}`);
    }
    await delay(200);
  }
}

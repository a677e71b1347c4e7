import { sayWithTime } from '../e2e/support/compose.ts';
import { testEnvironment } from '../e2e/support/paths.ts';
import { ResetMachine, type ResetMoment, resetStories } from './resets.ts';

/** `npm run soak -- resets`: a machine is reset at every moment of swaps that is on the disk. Resolves with the exit code. */
export async function resetsSoak(): Promise<number> {
  Object.assign(process.env, testEnvironment);
  const say = sayWithTime();
  const device = await ResetMachine.boot('resets', say);
  const outcomes = { old: 0, new: 0, 'not passed': 0 };
  let wrong = 0;
  try {
    const moments: ResetMoment[] = [];
    for (const [run, story] of resetStories.entries()) moments.push(...(await device.record(story, run)));
    say(`${moments.length} moments`);
    for (const [index, moment] of moments.entries()) {
      const where = `${index + 1}: ${moment.story}, "${moment.point}" (${moment.nth})`;
      try {
        const outcome = await device.resetAt(moment, 100 + index);
        outcomes[outcome] += 1;
        say(`${where}: ${outcome}`);
      } catch (error) {
        wrong += 1;
        say(`${where}: WRONG: ${(error as Error).message}`);
      }
    }
    say(`reset at ${moments.length} moments: ${wrong} wrong, ${JSON.stringify(outcomes)}`);
  } finally {
    await device.stop();
  }
  return wrong === 0 ? 0 : 1;
}

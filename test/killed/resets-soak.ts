import { parseArgs } from 'node:util';
import { sayWithTime } from '../e2e/support/compose.ts';
import { testEnvironment } from '../e2e/support/paths.ts';
import { ResetMachine, type ResetMoment, resetStories } from './resets.ts';

/**
 * `npm run soak -- resets [--from N]`: a machine is reset at every moment of swaps that is on the disk, or at those from
 * number N on. Resolves with the exit code.
 */
export async function resetsSoak(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { from: { type: 'string', default: '1' } } });
  const from = Number(values.from);
  if (!(Number.isInteger(from) && from > 0)) {
    console.error(`--from takes the number of a moment, 1 or more, not "${values.from}"`);
    return 2;
  }
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
      if (index + 1 < from) continue;
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
    say(`reset at the moments ${from} to ${moments.length}: ${wrong} wrong, ${JSON.stringify(outcomes)}`);
  } finally {
    await device.stop();
  }
  return wrong === 0 ? 0 : 1;
}

import { join } from 'node:path';
import { sayWithTime } from '../e2e/support/compose.ts';
import { startNative } from '../e2e/support/native.ts';
import { root, testEnvironment } from '../e2e/support/paths.ts';
import { armFaults, killAt, recordMoments } from './moments.ts';

/** `npm run soak -- killed`: the init container is killed at every moment of swaps. Resolves with the exit code. */
export async function killedSoak(): Promise<number> {
  Object.assign(process.env, testEnvironment);
  const say = sayWithTime();
  const device = await startNative(join(root, 'test/killed/device.yml'), 'killed');
  let wrong = 0;
  try {
    for (const name of ['web', 'mosquitto']) await device.untilIs(name, { health: 'healthy' }, 60);
    await armFaults(device);
    const moments = await recordMoments(device);
    say(`${moments.length} moments`);
    for (const [run, moment] of moments.entries()) {
      const where = `${moment.story}, "${moment.point}" (${moment.nth})`;
      try {
        say(`${run + 1}: ${where}: ${await killAt(device, moment, 100 + run)}`);
      } catch (error) {
        wrong += 1;
        say(`${run + 1}: WRONG after ${where}: ${(error as Error).message}`);
        say(device.journal().split('\n').slice(-20).join('\n'));
      }
    }
    say(`killed at ${moments.length} moments: ${moments.length - wrong} converged, ${wrong} did not`);
  } finally {
    await device.stop();
  }
  return wrong === 0 ? 0 : 1;
}

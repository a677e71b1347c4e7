import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NativeDevice, startNative } from '../e2e/support/native.ts';
import { root } from '../e2e/support/paths.ts';
import { armFaults, evenly, killAt, type Moment, recordMoments } from '../killed/moments.ts';

/** Here some of the moments; `npm run soak -- killed` takes all of them. */
const chosen = 12;

describe('the init container is killed in the middle of swaps', () => {
  let device: NativeDevice;
  let moments: Moment[];
  beforeAll(async () => {
    device = await startNative(join(root, 'test/killed/device.yml'), 'killed');
    for (const name of ['web', 'mosquitto']) await device.untilIs(name, { health: 'healthy' }, 60);
    await armFaults(device);
    moments = await recordMoments(device);
  });
  afterAll(async () => device?.stop());

  it('and the old or the new revision runs, whole, and nothing else was touched', async () => {
    expect(moments.length).toBeGreaterThan(100);
    const outcomes = new Set<string>();
    let killed = 0;
    for (const [run, moment] of evenly(moments, chosen).entries()) {
      const outcome = await killAt(device, moment, 100 + run).catch((error: Error) => {
        throw new Error(`killed in ${moment.story} at "${moment.point}" (${moment.nth}): ${error.message}`);
      });
      if (outcome === 'not passed') continue;
      killed += 1;
      outcomes.add(outcome);
    }
    expect(killed).toBeGreaterThan(chosen / 2);
    expect([...outcomes].sort()).toEqual(['done', 'failed']);
  });
});

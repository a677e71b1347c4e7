import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ResetMachine } from '../killed/resets.ts';
import { sayWithTime } from './support/compose.ts';

describe('the machine is reset in the middle of swaps, with a data partition', () => {
  let device: ResetMachine;
  beforeAll(async () => {
    device = await ResetMachine.boot('killed', sayWithTime());
  });
  afterAll(async () => device?.stop());

  // Just before and just after the one rename that puts the new revision in force.
  it.each([
    ['written pointers.json', 'old'],
    ['after pointers.json', 'new'],
  ])('at "%s" the %s revision is in force', async (point, outcome) => {
    expect(await device.resetAt({ story: 'a swap', point, nth: 1 }, 1)).toBe(outcome);
  });
});

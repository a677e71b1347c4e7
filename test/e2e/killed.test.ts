import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ResetMachine } from '../killed/resets.ts';
import { sayWithTime } from './support/compose.ts';

describe('the machine is reset in the middle of swaps, with a data partition', () => {
  let device: ResetMachine;
  beforeAll(async () => {
    device = await ResetMachine.boot('killed', sayWithTime());
  });
  afterAll(async () => device?.stop());

  // Just after the one rename that puts the new revision in force. All other moments: `npm run soak -- resets`.
  it('after that of pointers.json the new revision is in force', async () => {
    expect(await device.resetAt({ story: 'a swap', point: 'after pointers.json', nth: 1 }, 1)).toBe('new');
  });
});

import { expect, test } from 'vitest';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { statusOfPart } from './status.ts';

test('what changes at each look changes in few digits, so that a list costs little when it is asked for again', async () => {
  const spec: ComponentSpec = {
    kind: 'init',
    image: { ref: 'init:1', digest: `sha256:${'0'.repeat(64)}` },
    order: 0,
    config: {},
  };
  const { uptimeSeconds, cpu } = await statusOfPart('init', spec);
  expect(Number.isInteger(uptimeSeconds)).toBe(true);
  expect(cpu?.usageNs).toBeGreaterThan(0);
  expect(cpu?.atNs).toBeGreaterThan(0);
  expect((cpu?.atNs ?? 0) % 1e6).toBe(0);
});

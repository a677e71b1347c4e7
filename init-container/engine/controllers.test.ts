import { describe, expect, it } from 'vitest';
import { keepableLimits } from './controllers.ts';

describe('keepableLimits', () => {
  const resources = { memory: { limit: 1 }, cpu: { shares: 2 }, pids: { limit: 3 }, blockIO: {}, devices: [] };

  it('keeps all where the machine has all controllers', () => {
    const all = new Set(['memory', 'cpu', 'pids', 'io']);
    expect(keepableLimits(resources, all)).toEqual({ kept: resources, lost: [] });
  });

  it('names what a machine without controllers cannot keep; the rules for devices need none', () => {
    expect(keepableLimits(resources, new Set(['cpu']))).toEqual({
      kept: { cpu: { shares: 2 }, devices: [] },
      lost: ['memory', 'pids', 'blockIO'],
    });
  });
});

import { expect, test } from 'vitest';
import { limitsOf, resourcesOf } from './limits.ts';

test('without a word there is a limit of processes, and that of the kernel alone where it cannot be had', () => {
  expect(limitsOf({}, 2048)).toEqual({ pids: 2048 });
  expect(resourcesOf({}, 2048)).toEqual({ pids: { limit: 2048 } });
  expect(resourcesOf({}, undefined)).toEqual({});
});

test("Compose's names become what the runtime knows", () => {
  const config = { mem_limit: '64m', cpus: 0.5, pids_limit: 20 };
  expect(resourcesOf(config, 2048)).toEqual({
    memory: { limit: 64 << 20 },
    cpu: { quota: 50_000, period: 100_000 },
    pids: { limit: 20 },
  });
  expect(limitsOf(config, 2048)).toEqual({ memoryBytes: 64 << 20, nanoCpus: 5e8, pids: 20 });
});

test('they go before `resources`, which keeps what they do not say', () => {
  const resources = {
    memory: { limit: 1, reservation: 2 },
    cpu: { shares: 3, quota: 20_000, period: 40_000 },
    unified: {},
  };
  expect(resourcesOf({ resources, mem_limit: 4096 }, 2048)).toEqual({
    ...resources,
    memory: { limit: 4096, reservation: 2 },
    pids: { limit: 2048 },
  });
  expect(limitsOf({ resources }, 2048)).toEqual({ memoryBytes: 1, nanoCpus: 5e8, pids: 2048 });
});

test('no limit of processes is asked for in words', () => {
  expect(limitsOf({ pids_limit: -1 }, 2048)).toEqual({});
  expect(resourcesOf({ resources: { pids: { limit: -1 } } }, 2048)).toEqual({});
});

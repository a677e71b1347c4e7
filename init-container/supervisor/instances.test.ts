import { expect, test } from 'vitest';
import { type FoundInstance, sortInstances } from './instances.ts';

const found = (instance: string, phase?: 'created' | 'running' | 'exited', more: object = {}): FoundInstance => ({
  instance,
  state: phase && { phase, ...more },
  record: { createdAt: instance === 'web' ? '2026-01-01T00:00:00.000Z' : '2026-01-02T00:00:00.000Z' },
});
const beside = { beside: true };

test.each<[string, FoundInstance[], ReturnType<typeof sortInstances>]>([
  ['nothing', [], undefined],
  ['one', [found('web', 'running')], { inForce: 'web', stale: [] }],
  ['the second one alone', [found('web.2', 'exited')], { inForce: 'web.2', stale: [] }],
  [
    'two that run',
    [found('web.2', 'running', beside), found('web', 'running')],
    { inForce: 'web', beside: 'web.2', stale: [] },
  ],
  [
    'the new one ended, and nobody has decided yet',
    [found('web', 'running'), found('web.2', 'exited', beside)],
    { inForce: 'web', beside: 'web.2', stale: [] },
  ],
  [
    'the old one ended while the new one is to stay',
    [found('web', 'exited'), found('web.2', 'running', beside)],
    { inForce: 'web', beside: 'web.2', stale: [] },
  ],
  ['only prepared', [found('web', 'running'), found('web.2')], { inForce: 'web', stale: ['web.2'] }],
  [
    'not started yet',
    [found('web', 'running'), found('web.2', 'created', beside)],
    { inForce: 'web', stale: ['web.2'] },
  ],
  [
    'prepared, and the old one has ended',
    [found('web', 'exited'), found('web.2')],
    { inForce: 'web', stale: ['web.2'] },
  ],
  [
    'replaced, not cleared away',
    [found('web', 'exited'), found('web.2', 'running')],
    { inForce: 'web.2', stale: ['web'] },
  ],
  [
    'replaced, and the new one has ended, too',
    [found('web', 'exited'), found('web.2', 'exited')],
    { inForce: 'web.2', stale: ['web'] },
  ],
  [
    'replaced the other way round',
    [found('web', 'running'), found('web.2', 'exited')],
    { inForce: 'web', stale: ['web.2'] },
  ],
])('%s', (_, instances, expected) => {
  expect(sortInstances(instances)).toEqual(expected);
  expect(sortInstances(instances.toReversed())).toEqual(expected);
});

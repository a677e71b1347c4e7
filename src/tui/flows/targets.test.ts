import { describe, expect, it } from 'vitest';
import type { RevisionList, RevisionSummary } from '../../shared/api/types.ts';
import { componentTarget, deviceTarget, revisionTarget } from './rollback.ts';
import { imagesOf } from './swap.ts';

const digest = `sha256:${'1'.repeat(64)}` as const;
function revision(number: number, state: RevisionSummary['state'], from?: string, to?: string): RevisionSummary {
  const changes = to === undefined ? [] : [{ name: 'web', from, to }];
  return { number, state, digest, createdAt: '2026-11-22T00:00:00Z', factory: number === 0, reason: '', changes };
}
const list: RevisionList = {
  current: 2,
  previous: 1,
  revisions: [
    { ...revision(3, 'refused', 'web:2', 'web:bad'), failure: 'unhealthy\x1b[2J' },
    revision(2, 'current', 'web:1', 'web:2'),
    revision(1, 'previous', 'web:0', 'web:1'),
    revision(0, 'available'),
  ],
};

describe('what a rollback would do', () => {
  it('takes one component to its image before, not to one that was refused', () => {
    expect(componentTarget(list, 'web')).toMatchObject({ name: 'web', word: 'web', changes: ['web: web:2 → web:1'] });
    expect(componentTarget(list, 'dhcp').unavailable).toBe('dhcp has had no other image');
  });

  it('takes the device to the previous revision, if there is one', () => {
    expect(deviceTarget(list)).toMatchObject({ word: 'device', changes: ['web: web:2 → web:1'] });
    expect(deviceTarget(list).name).toBeUndefined();
    expect(deviceTarget({ current: 0, revisions: [revision(0, 'current')] }).unavailable).toContain('no previous');
  });

  it('knows the revision in force', () => {
    expect(revisionTarget(list, 2).unavailable).toBe('revision 2 is in force');
    expect(revisionTarget(list, 0)).toMatchObject({ revision: 0, word: '0' });
  });
});

it('offers the images a component had, newest first, and says which were refused', () => {
  expect(imagesOf(list, 'web', 'web:2')).toEqual([
    { ref: 'web:bad', note: 'revision 3', refused: 'unhealthy' },
    { ref: 'web:1', note: 'before revision 2' },
    { ref: 'web:0', note: 'before revision 1' },
  ]);
  expect(imagesOf(list, 'dhcp', 'dhcp:1')).toEqual([]);
});

import { describe, expect, it } from 'vitest';
import type { RevisionList, RevisionSummary } from '../../shared/api/types.ts';
import type { Revision } from '../../shared/definition/revision.ts';
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

/** As `list` says, and dhcp the same in all; in 0 web has another variable too. */
async function read(number: number): Promise<Revision> {
  const web = { kind: 'service' as const, image: { ref: `web:${number}`, digest }, order: 0 };
  const config = number === 0 ? { env: ['A=1'] } : {};
  const dhcp = { ...web, image: { ref: 'dhcp:1', digest }, config: {} };
  return { schema: 1, components: { web: { ...web, config }, dhcp } };
}

describe('what a rollback would do', () => {
  it('takes one component to what it was before, not to one that was refused', async () => {
    const target = await componentTarget(list, 'web', read);
    expect(target).toMatchObject({ name: 'web', word: 'web', changes: ['web: web:2 → web:1'] });
    const failed = { ...list, current: 4, revisions: [revision(4, 'current'), ...list.revisions] };
    const [, ...older] = failed.revisions;
    failed.revisions = [revision(4, 'current'), ...older.filter(({ state }) => state !== 'current')];
    // 3 was refused; it is not what web was before.
    expect((await componentTarget(failed, 'web', read)).changes).toEqual(['web: web:4 → web:1']);
    expect((await componentTarget(list, 'dhcp', read)).unavailable).toBe(
      'dhcp has had no other image or configuration',
    );
  });

  it('takes the device to the previous revision, if there is one, from wherever it came', async () => {
    const target = await deviceTarget(list, read);
    expect(target).toMatchObject({ word: 'device', changes: ['web: web:2 → web:1'] });
    expect(target.name).toBeUndefined();
    // Gone back to 0 by hand: the previous one is newer.
    expect((await deviceTarget({ ...list, current: 0, previous: 2 }, read)).changes).toEqual([
      'web: web:0 → web:2 (env)',
    ]);
    const only = { current: 0, revisions: [revision(0, 'current')] };
    expect((await deviceTarget(only, read)).unavailable).toContain('no previous');
  });

  it('knows the revision in force, and those that are gone', async () => {
    expect((await revisionTarget(list, 2, read)).unavailable).toBe('revision 2 is in force');
    expect(await revisionTarget(list, 0, read)).toMatchObject({
      revision: 0,
      word: '0',
      changes: ['web: web:2 → web:0 (env)'],
    });
    const gone = { ...list, revisions: [revision(1, 'collected')] };
    expect((await revisionTarget(gone, 1, read)).unavailable).toContain('removed to make room');
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

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { ComponentKind, ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { openRevisions } from '../revisions/revisions.ts';
import { temporaryFolder } from '../store/test-support.ts';
import { PartsCheck } from './parts-check.ts';
import type { PartSwapper } from './types.ts';

const kinds: Record<string, ComponentKind> = { kernel: 'kernel', init: 'init', web: 'service' };
const factory = { kernel: 'kernel:1', init: 'init:1', web: 'web:1' };
const revisionOf = (refs: Record<string, string>): Revision => ({
  schema: 1,
  components: Object.fromEntries(
    Object.entries({ ...factory, ...refs }).map(([name, ref]): [string, ComponentSpec] => [
      name,
      { kind: kinds[name] ?? 'service', image: { ref, digest: digestOf(ref) }, order: 0, config: {} },
    ]),
  ),
});

/** A device on which these swaps were made, and these parts run now. */
async function device(swaps: Record<string, string>[], runs: Record<string, string>) {
  const folder = await temporaryFolder();
  const paths = { factoryRevision: join(folder, 'revision.json'), data: join(folder, 'data') };
  await writeFile(paths.factoryRevision, canonicalJson(revisionOf({})));
  const open = () => openRevisions({ imageId: 'os', paths, log: () => undefined });
  const revisions = await open();
  for (const refs of swaps) await revisions.commit((await revisions.append(revisionOf(refs), 'swap')).number);
  const state = { runs: { ...factory, ...runs } as Record<string, string>, swapping: false, broken: false };
  const kept: string[] = [];
  const said: string[] = [];
  const swapper = (name: string): PartSwapper => {
    const never = () => Promise.reject(new Error('nothing is swapped here'));
    return {
      canSwap: () => undefined,
      apply: never,
      verify: never,
      confirm: never,
      whyOther: async ({ image }) => {
        if (state.broken) throw new Error('EIO');
        return state.runs[name] === image.ref ? undefined : 'it ended 3 times';
      },
      keepRunning: async () => void kept.push(`${name} ${state.runs[name]}`),
    };
  };
  const check = new PartsCheck({
    revisions,
    swappers: { kernel: swapper('kernel'), init: swapper('init') },
    swapping: () => state.swapping,
    say: async (sentence) => void said.push(sentence),
  });
  const statuses = async () => {
    const all = Object.entries(revisions.current().revision.components).map(([name, { kind, image }]) => ({
      ...{ name, kind, image: image.ref, digest: image.digest },
      ...({ state: 'running', health: 'none', restarts: 0 } as const),
    }));
    return (await check.marked(all)).map(({ name, state: is, detail = '' }) => `${name} ${is} ${detail}`.trim());
  };
  return { check, revisions, open, state, kept, said, statuses };
}
const allRun = ['kernel running', 'init running', 'web running'];

describe('what runs is compared with the revision in force', () => {
  it('and nothing happens when it is the same', async () => {
    const { check, statuses, said, kept } = await device([{ init: 'init:2' }], { init: 'init:2' });
    expect(await check.fallBack()).toBeUndefined();
    expect([await statuses(), said, kept]).toEqual([allRun, [], []]);
  });

  it('and the newest former revision that differs in nothing but parts, and names what runs, takes its place', async () => {
    const swaps: Record<string, string>[] = [
      { web: 'web:2' },
      { web: 'web:2', init: 'init:2' },
      { web: 'web:2', init: 'init:3' },
    ];
    const { check, revisions, open, statuses, said, kept } = await device(swaps, { init: 'init:2' });
    const sentence = 'revision 3: init (init:3) does not work: it ended 3 times; revision 2 took its place';
    expect(await check.fallBack()).toBe(sentence);
    expect([said, kept, await statuses()]).toEqual([[sentence], ['init init:2'], allRun]);
    expect((await open()).current().number).toBe(2);
    expect(revisions.list().revisions[0]?.failure).toContain('it ended 3 times');
  });

  it('and with no such revision the component is failed, until it is put right', async () => {
    const swaps: Record<string, string>[] = [{ kernel: 'kernel:2' }, { kernel: 'kernel:2', web: 'web:2' }];
    const { check, revisions, state, statuses, said, kept } = await device(swaps, {});
    expect(await check.fallBack()).toBeUndefined();
    await check.look();
    expect([revisions.current().number, kept, said.length]).toEqual([2, [], 1]);
    expect(said[0]).toMatch(/kernel:2 is in force and does not run: it ended 3 times; .*"gantry rollback kernel"/);
    const [kernel, ...others] = await statuses();
    expect([kernel, others]).toEqual([`kernel failed ${said[0]}`, allRun.slice(1)]);
    state.runs.kernel = 'kernel:2';
    expect(await statuses()).toEqual(allRun);
  });

  it('but not while a swap is under way, which knows better', async () => {
    const { check, revisions, state, said, statuses } = await device([{ init: 'init:2' }], {});
    state.swapping = true;
    expect(await check.fallBack()).toBeUndefined();
    await check.look();
    expect([revisions.current().number, said, await statuses()]).toEqual([1, [], allRun]);
  });

  it('and a disk that cannot be read or written keeps nothing from starting', async () => {
    const { check, revisions, state, said } = await device([{ init: 'init:2' }], {});
    state.broken = true;
    expect(await check.fallBack()).toBeUndefined();
    expect(said).toContainEqual(expect.stringMatching(/what runs cannot be told: EIO/));
    state.broken = false;
    revisions.fallBack = () => Promise.reject(new Error('no space left'));
    expect(await check.fallBack()).toBeUndefined();
    expect(said).toContainEqual(expect.stringMatching(/revision 0 could not be noted: no space left/));
  });
});

import fsPromises, { appendFile, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import { specKey } from '../engine/record.ts';
import { temporaryFolder } from '../store/test-support.ts';
import { openRevisions, revisionsFolder } from './revisions.ts';

const web = (version: number | string): Revision => ({
  schema: 1,
  components: {
    web: {
      kind: 'service',
      image: { ref: `web:${version}`, digest: digestOf(`web:${version}`) },
      order: 0,
      config: {},
    },
  },
});

const specOfWeb = (version: number | string) => web(version).components.web ?? expect.fail();

async function fresh() {
  const folder = await temporaryFolder();
  const paths = { factoryRevision: join(folder, 'revision.json'), data: join(folder, 'data') };
  await mkdir(paths.data);
  await writeFile(paths.factoryRevision, canonicalJson(web(1)));
  const log: string[] = [];
  const openFor = (imageId: string) => openRevisions({ imageId, paths, log: (message) => log.push(message) });
  const open = () => openFor('os');
  const own = revisionsFolder('os', paths.data);
  const quarantine = join(paths.data, 'quarantine');
  /** The name there of what had `name`, after the time. */
  const inQuarantine = async (name: string) =>
    (await readdir(quarantine)).find((found) => found.endsWith(`-${name}`)) ?? '';
  return { paths, own, log, open, openFor, quarantine, inQuarantine, revisions: await open() };
}

/** Revisions 1 and 2 in force one after the other, 3 failed. */
async function withHistory() {
  const device = await fresh();
  const { revisions } = device;
  await revisions.commit((await revisions.append(web(2), 'swap web')).number);
  await revisions.commit((await revisions.append(web(3), 'swap web')).number);
  const { number } = await revisions.append(web('broken'), 'swap web');
  const refuse = [{ component: 'web', digest: digestOf('web:broken') }];
  await revisions.fail(number, { failure: 'unhealthy', interrupted: false, refuse });
  return device;
}

describe('revisions', () => {
  it('begin with the factory revision', async () => {
    const { revisions } = await fresh();
    expect(revisions.current()).toMatchObject({ number: 0, revision: web(1) });
    expect(revisions.list()).toMatchObject({ current: 0, revisions: [{ number: 0, factory: true, state: 'current' }] });
    expect(revisions.previous()).toBeUndefined();
  });

  it('are the same for the next process', async () => {
    const { revisions, open, log } = await withHistory();
    expect(revisions.list()).toMatchObject({
      current: 2,
      previous: 1,
      revisions: [
        {
          number: 3,
          state: 'refused',
          failure: 'unhealthy',
          changes: [{ name: 'web', from: 'web:3', to: 'web:broken' }],
        },
        { number: 2, state: 'current', reason: 'swap web', changes: [{ name: 'web', from: 'web:2', to: 'web:3' }] },
        { number: 1, state: 'previous' },
        { number: 0, state: 'available', changes: [] },
      ],
    });
    const next = await open();
    expect(next.list()).toEqual(revisions.list());
    expect(next.committed()).toEqual([0, 1, 2]);
    expect(next.refusal('web', specOfWeb('broken'))?.reason).toBe('unhealthy');
    expect(next.get(1)?.revision).toEqual(web(2));
    expect(log).toEqual([]);
  });

  it('stop refusing an image once it was put in force', async () => {
    const { revisions, open } = await withHistory();
    await revisions.commit((await revisions.append(web('broken'), 'swap web')).number);
    const next = await open();
    expect(next.refusal('web', specOfWeb('broken'))).toBeUndefined();
    expect(next.list().revisions.map(({ state }) => state)).toEqual([
      'current',
      'failed',
      'previous',
      'available',
      'available',
    ]);
  });

  it('that were not put in force say why', async () => {
    const { revisions, open } = await fresh();
    const { number } = await revisions.append(web(2), 'swap web');
    await revisions.append(web(3), 'swap web');
    await revisions.append(web(4), 'swap web');
    expect(revisions.trying()).toEqual([1, 2, 3]);
    await revisions.fail(number, { failure: 'the power failed', interrupted: true, refuse: [] });
    await revisions.fail(2, { failure: 'no space left', interrupted: false, refuse: [] });
    const next = await open();
    expect(next.list()).toEqual(revisions.list());
    expect(next.list().revisions.map(({ state }) => state)).toEqual(['trying', 'failed', 'interrupted', 'current']);
    expect(next.trying()).toEqual([3]);
  });

  it('that were in force stay so when the line about it was lost, whatever comes after', async () => {
    const { revisions, open, own } = await fresh();
    await revisions.commit((await revisions.append(web(2), 'swap web')).number);
    // As a full disk, or a power cut just after the pointer was written, leaves it.
    const path = join(own, 'log.ndjson');
    const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => !line.includes('"committed"'));
    await writeFile(path, lines.join('\n'));
    const next = await open();
    await next.commit((await next.append(web(3), 'swap web')).number);
    await next.commit((await next.append(web(4), 'swap web')).number);
    const last = await open();
    expect(last.committed()).toEqual([0, 1, 2, 3]);
    expect(last.trying()).toEqual([]);
  });

  it('that were in force stay so when the disk had no room for the line about it', async () => {
    const { revisions, open, log } = await fresh();
    const { number } = await revisions.append(web(2), 'swap web');
    const real = fsPromises.open;
    fsPromises.open = async (path, ...more) => {
      if (String(path).endsWith('log.ndjson')) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      return real(path, ...more);
    };
    syncBuiltinESMExports();
    await revisions.commit(number).finally(() => {
      fsPromises.open = real;
      syncBuiltinESMExports();
    });
    expect(log).toEqual([expect.stringContaining('the log of revisions cannot be written')]);
    await revisions.commit((await revisions.append(web(3), 'swap web')).number);
    const next = await open();
    expect([next.committed(), next.trying()]).toEqual([[0, 1, 2], []]);
  });

  it('remember what they refuse when the note of it is lost, but not what was put in force since', async () => {
    const { revisions, open, own } = await withHistory();
    await rm(join(own, 'pointers.json'));
    expect((await open()).refusal('web', specOfWeb('broken'))?.reason).toBe('unhealthy');
    await revisions.commit((await revisions.append(web('broken'), 'swap web')).number);
    await rm(join(own, 'pointers.json'));
    expect((await open()).refusal('web', specOfWeb('broken'))).toBeUndefined();
  });

  it('refuse a limited number of images', async () => {
    const { revisions } = await fresh();
    const { number } = await revisions.append(web(2), 'swap web');
    const refuse = Array.from({ length: 250 }, (_, i) => ({ component: 'web', digest: digestOf(`web:${i}`) }));
    await revisions.fail(number, { failure: 'unhealthy', interrupted: false, refuse });
    expect(revisions.refusal('web', specOfWeb('0'))).toBeUndefined();
    expect(revisions.refusal('web', specOfWeb('249'))).toBeDefined();
  });

  it('come up on a disk without any room, although their files are damaged', async () => {
    const { open, own, log } = await withHistory();
    await appendFile(join(own, 'log.ndjson'), 'torn');
    await writeFile(join(own, 'pointers.json'), 'torn');
    const full = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
    const real = { open: fsPromises.open, copyFile: fsPromises.copyFile, mkdir: fsPromises.mkdir };
    fsPromises.mkdir = full;
    fsPromises.open = (path, flags, ...more) => (flags === 'r' ? real.open(path, flags, ...more) : full());
    fsPromises.copyFile = full;
    syncBuiltinESMExports();
    const next = await open().finally(() => {
      Object.assign(fsPromises, real);
      syncBuiltinESMExports();
    });
    expect(next.current().revision).toEqual(web(3));
    expect(log).toContainEqual(expect.stringContaining('cannot be mended now: no space left'));
    expect((await open()).list()).toEqual(next.list());
  });

  it('that are made while one with the same content is collected keep their content', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const { revisions, open } = await fresh();
      for (const version of [2, 3, 4])
        await revisions.commit((await revisions.append(web(version), 'swap web')).number);
      const both = [() => revisions.collect([1]), () => revisions.append(web(2), 'rollback to 1')];
      await Promise.all((turn % 2 ? both : both.toReversed()).map((work) => work()));
      expect((await open()).get(4)?.revision).toEqual(web(2));
    }
  });

  it('that differ in the configuration alone are the same for the next process', async () => {
    const { revisions, open, log } = await fresh();
    const other = { ...specOfWeb(1), config: { env: ['A=1'] } };
    await revisions.commit((await revisions.append({ schema: 1, components: { web: other } }, 'swap web')).number);
    const next = await open();
    expect([next.list(), next.current().number, log]).toEqual([revisions.list(), 1, []]);
    expect(next.list().revisions[0]?.changes).toEqual([{ name: 'web', from: 'web:1', to: 'web:1', fields: ['env'] }]);
  });

  it('refuse one configuration and not the image with others', async () => {
    const { revisions, open } = await fresh();
    const bad = { ...specOfWeb(1), config: { env: ['BAD=1'] } };
    const { number } = await revisions.append({ schema: 1, components: { web: bad } }, 'swap web');
    const refuse = [{ component: 'web', digest: bad.image.digest, spec: specKey(bad) }];
    await revisions.fail(number, { failure: 'unhealthy', interrupted: false, refuse });
    const next = await open();
    expect(next.refusal('web', bad)?.reason).toBe('unhealthy');
    expect(next.refusal('web', specOfWeb(1))).toBeUndefined();
    expect(next.list().revisions).toMatchObject([
      { state: 'refused', changes: [{ name: 'web', fields: ['env'] }] },
      { state: 'current' },
    ]);
  });

  it('keep the old one in force, also for the next process, when the disk fails just after the pointer was replaced', async () => {
    const device = await fresh();
    const { revisions, open } = device;
    const { number } = await revisions.append(web(2), 'swap web');
    const { open: real } = fsPromises;
    let failed = 0;
    fsPromises.open = async (path, flags, mode) => {
      // The folder is synced after the rename: that is where the disk fails, once.
      if (String(path) === device.own && flags === 'r' && failed++ === 0) throw new Error('EIO');
      return real(path, flags, mode);
    };
    syncBuiltinESMExports();
    try {
      await expect(revisions.commit(number)).rejects.toThrow('EIO');
    } finally {
      fsPromises.open = real;
      syncBuiltinESMExports();
    }
    expect(failed).toBeGreaterThan(0);
    expect([revisions.current().number, (await open()).current().number]).toEqual([0, 0]);
  });

  it('of another image wait until that image is started again, also with the same factory revision', async () => {
    const { open, openFor, own, log } = await withHistory();
    const before = (await open()).list();
    const next = await openFor('next');
    expect([next.current().number, next.list().revisions.length]).toEqual([0, 1]);
    await next.commit((await next.append(web(10), 'swap web')).number);
    expect((await open()).list()).toEqual(before);
    expect((await openFor('next')).current().revision).toEqual(web(10));
    // Whatever else another image writes, and a name that is no folder, is nobody's loss.
    await writeFile(revisionsFolder('third', dirname(dirname(own))), 'garbage');
    expect((await openFor('third')).current().number).toBe(0);
    expect((await open()).list()).toEqual(before);
    expect(log).toEqual([]);
  });

  it('that build on another factory revision are set aside', async () => {
    const { open, paths, log, inQuarantine } = await withHistory();
    await writeFile(paths.factoryRevision, canonicalJson(web(9)));
    const next = await open();
    expect([next.current().revision, next.list().revisions.length]).toEqual([web(9), 1]);
    expect(log.join()).toMatch(/build on another factory revision/);
    expect(await inQuarantine('former-os')).not.toBe('');
  });

  it('cannot be opened without a whole factory revision', async () => {
    const { open, paths } = await fresh();
    await writeFile(paths.factoryRevision, '{');
    await expect(open()).rejects.toThrow(/factory revision .* cannot be read/);
  });
});

describe('damage', () => {
  it('to the revision in force: the newest whole one that was in force, and the file is kept', async () => {
    const { open, own, log, inQuarantine } = await withHistory();
    const file = `${hexOf((await open()).current().digest)}.json`;
    await writeFile(join(own, file), (await readFile(join(own, file), 'utf8')).replace('web:3', 'web:4'));
    const next = await open();
    expect([next.current().number, next.previous()]).toEqual([1, undefined]);
    expect(log.join('\n')).toMatch(
      /not what its name says.*\n?.*revision 2 is lost or damaged: revision 1 is in force/,
    );
    expect(await inQuarantine(`damaged-${file}`)).not.toBe('');
    expect((await next.append(web(5), 'swap web')).number).toBe(4);
    expect((await open()).current().number).toBe(1);
  });

  it('to every revision: the factory one', async () => {
    const { open, own } = await withHistory();
    for (const name of await readdir(own)) if (/^[0-9a-f]{64}/.test(name)) await truncate(join(own, name), 0);
    expect((await open()).current()).toMatchObject({ number: 0, revision: web(1) });
  });

  it('to the note of what is in force: the newest that was', async () => {
    const { open, own, log, inQuarantine } = await withHistory();
    await writeFile(join(own, 'pointers.json'), '\0'.repeat(100));
    expect((await open()).current().number).toBe(2);
    expect(log.join('\n')).toMatch(
      /note of the revision in force is damaged[\s\S]*revision 2 is in force: the newest that is whole/,
    );
    expect(await inQuarantine('damaged-pointers.json')).not.toBe('');
  });

  it('of one bit in it: no other revision gets in force by that', async () => {
    const { open, own } = await withHistory();
    const bytes = await readFile(join(own, 'pointers.json'));
    for (let bit = 0; bit < bytes.length * 8; bit += 61) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await writeFile(join(own, 'pointers.json'), changed);
      expect((await open()).current().number).toBe(2);
    }
  });

  it('to the log in its middle: only what the line said is lost', async () => {
    const { open, own, log } = await withHistory();
    const lines = (await readFile(join(own, 'log.ndjson'), 'utf8')).split('\n');
    const at = lines.findIndex((line) => line.includes('"number":1'));
    lines[at] = (lines[at] ?? '').slice(0, 20);
    await writeFile(join(own, 'log.ndjson'), lines.join('\n'));
    const next = await open();
    expect([next.current().number, next.get(1), next.get(3)?.number]).toEqual([2, undefined, 3]);
    expect(log.join()).toMatch(/damaged lines/);
    log.length = 0;
    expect((await open()).list()).toEqual(next.list());
    expect(log).toEqual([]);
  });

  it('to anything, anywhere: it opens, with a whole revision, and goes on', async () => {
    const names = [
      'pointers.json',
      'log.ndjson',
      ...[2, 3].map((v) => `${hexOf(digestOf(canonicalJson(web(v))))}.json`),
    ];
    const injury = fc.record({
      name: fc.constantFrom(...names),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      how: fc.constantFrom('cut', 'flip', 'zeros', 'gone'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(injury, { minLength: 1, maxLength: 3 }), async (injuries) => {
        const { open, own } = await withHistory();
        for (const { name, at, how } of injuries) {
          const bytes = await readFile(join(own, name)).catch(() => Buffer.alloc(0));
          const position = Math.floor(at * Math.max(0, bytes.length - 1));
          if (how === 'cut') await writeFile(join(own, name), bytes.subarray(0, position));
          else if (how === 'flip')
            await writeFile(
              join(own, name),
              bytes.map((byte, i) => (i === position ? byte ^ 4 : byte)),
            );
          else if (how === 'zeros') await writeFile(join(own, name), bytes.fill(0, position));
          else await rm(join(own, name), { force: true });
        }
        const revisions = await open();
        expect([1, 2, 3].map(web)).toContainEqual(revisions.current().revision);
        await revisions.commit((await revisions.append(web(7), 'swap web')).number);
        const next = await open();
        expect(next.current().revision).toEqual(web(7));
        expect(next.list()).toEqual(revisions.list());
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

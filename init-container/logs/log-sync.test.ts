import { appendFileSync, closeSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rotatedPath } from './files.ts';
import { LogSync } from './log-sync.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-log-sync-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('syncs what has changed, also what a slow writer puts into a file that was moved aside', async () => {
  const synced: string[] = [];
  const logs = new LogSync(async (path) => void synced.push(basename(path)));
  const path = join(folder, 'web.log');
  const run = async () => {
    await logs.run([path]);
    return synced.splice(0);
  };
  expect(await run()).toEqual([]);
  const writer = openSync(path, 'a');
  writeSync(writer, 'a line\n');
  expect([await run(), await run()]).toEqual([['web.log'], []]);
  renameSync(path, rotatedPath(path, 1));
  writeSync(writer, 'a line that came late\n');
  closeSync(writer);
  writeFileSync(path, 'a new file\n');
  expect([await run(), await run()]).toEqual([['web.log', 'web.log.1'], []]);
  appendFileSync(path, 'more\n');
  expect(await run()).toEqual(['web.log']);
});

it('syncs what a process that was killed moved aside', async () => {
  const synced: string[] = [];
  const path = join(folder, 'old.log');
  for (const name of [path, rotatedPath(path, 1), rotatedPath(path, 2)]) writeFileSync(name, 'x\n');
  await new LogSync(async (name) => void synced.push(basename(name))).run([path]);
  expect(synced).toEqual(['old.log', 'old.log.1', 'old.log.2']);
});

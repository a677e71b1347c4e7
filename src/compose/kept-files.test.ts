import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../init-container/store/test-support.ts';
import { digestOf } from '../shared/oci/digest.ts';
import { KeptFiles } from './kept-files.ts';

async function built() {
  const folder = await temporaryFolder();
  const dir = join(folder, 'image');
  mkdirSync(dir);
  const file = join(dir, 'root.img');
  writeFileSync(file, 'a root image');
  const kept = new KeptFiles(join(folder, 'kept'));
  await kept.keep(file);
  return { folder, dir, file, kept, find: () => kept.find(digestOf('a root image')) };
}

it('keeps a file without room for it, when its folder is replaced by another one, too', async () => {
  const { folder, dir, file, find } = await built();
  expect(statSync((await find()) ?? '').ino).toBe(statSync(file).ino);
  renameSync(dir, join(folder, 'old'));
  cpSync(join(folder, 'old'), dir, { recursive: true });
  writeFileSync(file, 'the next one');
  rmSync(join(folder, 'old'), { recursive: true });
  expect(readFileSync((await find()) ?? '', 'utf8')).toBe('a root image');
});

it('gives no file that was written to where it came from', async () => {
  const { file, find, kept } = await built();
  const path = (await find()) ?? '';
  writeFileSync(file, 'something else');
  expect(await find()).toBeUndefined();
  expect(existsSync(path)).toBe(false);
  writeFileSync(file, 'a root image');
  await kept.keep(file);
  expect(await find()).toBe(path);
});

it('does without where nothing can be written, or there is nothing', async () => {
  const { folder, file } = await built();
  const nowhere = new KeptFiles(join(file, 'below a file'));
  await nowhere.keep(file);
  expect(await nowhere.find(digestOf('a root image'))).toBeUndefined();
  await new KeptFiles(join(folder, 'kept')).keep(join(folder, 'missing'));
});

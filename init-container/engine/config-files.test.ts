import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { componentConfigSchema } from '../../src/shared/definition/component-config.ts';
import { writeConfigFiles } from './config-files.ts';

const base = mkdtempSync(join(tmpdir(), 'gantry-files-'));
afterAll(() => rmSync(base, { recursive: true }));

test('each file is there with its text, owner and mode, read-only at its path; old ones are gone', async () => {
  const folder = join(base, 'files');
  await writeConfigFiles(
    folder,
    [1, 2, 3].map((n) => ({ path: `/etc/${n}`, contents: 'old' })),
  );
  const mounts = await writeConfigFiles(folder, [
    { path: '/etc/a', contents: 'A=ü\n' },
    { path: '/etc/secret', contents: '', mode: '0440', uid: 7, gid: 8 },
  ]);
  expect(mounts.map(({ destination }) => destination)).toEqual(['/etc/a', '/etc/secret']);
  for (const { options } of mounts) expect(options).toContain('ro');
  const [a, secret] = mounts.map(({ source }) => source ?? '');
  expect(readFileSync(a ?? '', 'utf8')).toBe('A=ü\n');
  expect(statSync(a ?? '').mode & 0o7777).toBe(0o644);
  const { uid, gid, mode } = statSync(secret ?? '');
  expect([uid, gid, mode & 0o7777]).toEqual([7, 8, 0o440]);
  expect(readdirSync(folder)).toHaveLength(2);
});

test('a path that is no plain one is refused, and so is one that is there twice', () => {
  const files = (...paths: string[]) =>
    componentConfigSchema.safeParse({ files: paths.map((path) => ({ path, contents: '' })) }).success;
  for (const path of ['/', 'etc/x', '/etc/../x', '/etc/./x', '/etc//x', '/etc/x/', '/..', '/a\0b', ''])
    expect(files(path), path).toBe(false);
  expect(files('/etc/..x', '/etc/a b', '/.x')).toBe(true);
  expect(files('/etc/x', '/etc/x')).toBe(false);
});

import { execFileSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { Volumes } from './volumes.ts';

let base: string;
let rootfs: string;
let volumes: Volumes;
/** In force. */
let current: Revision;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'gantry-volumes-'));
  rootfs = join(base, 'rootfs');
  mkdirSync(rootfs);
  const paths = { data: join(base, 'data'), run: join(base, 'run') };
  // What an image itself binds is in its label; this one stands for an image that binds `keys`.
  const labels: Record<string, ComponentConfig> = { 'sshd:1': { binds: ['keys:/etc/keys'] } };
  const configFor = async (spec: ComponentSpec) => ({ ...labels[spec.image.ref], ...spec.config });
  volumes = new Volumes({ revision: () => current, configFor, paths });
  current = revision('web:1');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const component = (ref: string, config: ComponentConfig = {}): ComponentSpec => ({
  kind: 'service',
  image: { ref, digest: digestOf(ref) },
  order: 0,
  config,
});

const binds = ['all:/all', 'state:/state', 'now:/now'];
const revision = (web: string, config: ComponentConfig = { binds }): Revision => ({
  schema: 1,
  components: { web: component(web, config), sshd: component('sshd:1') },
  volumes: { all: { persistence: 'permanent' }, state: { persistence: 'revision' }, now: { persistence: 'boot' } },
});

const folderOf = async (name: string, of: Revision) =>
  (await volumes.volumeFolders(of)).find((volume) => volume.name === name)?.folder ?? '';

const prepare = (bindsOfIt: string[], of = current) =>
  volumes.prepareVolumes(of.components.web ?? component('web:1'), { binds: bindsOfIt }, rootfs);

/** As if the component had run in that revision and written this. */
async function runIn(of: Revision, text?: string): Promise<string> {
  const folder = (await prepare(['state:/state'], of)).get('state') ?? '';
  const file = join(folder, 'value');
  if (text !== undefined) writeFileSync(file, text);
  return existsSync(file) ? readFileSync(file, 'utf8') : 'nothing';
}

/** Where it would have written. */
async function runInFolder(of: Revision): Promise<string> {
  await runIn(of, 'x');
  return join(await folderOf('state', of), 'value');
}

test('where they are, how long they live, and who uses them', async () => {
  const found = await volumes.volumeFolders(revision('web:1'));
  expect(found.map(({ name, persistence, users }) => [name, persistence, users])).toEqual([
    ['all', 'permanent', ['web']],
    // Bound by an image, and not declared.
    ['keys', 'permanent', ['sshd']],
    ['now', 'boot', ['web']],
    ['state', 'revision', ['web']],
  ]);
  expect(found.map(({ folder }) => folder.slice(base.length))).toEqual([
    '/data/volumes/permanent/all',
    '/data/volumes/permanent/keys',
    '/run/volumes/now',
    expect.stringMatching(/^\/data\/volumes\/revision\/state\/[0-9a-f]{64}$/),
  ]);
});

test('the folder of a `revision` one follows image and configuration of who binds it, and of nobody else', async () => {
  const first = await folderOf('state', revision('web:1'));
  expect(await folderOf('state', revision('web:2'))).not.toBe(first);
  expect(await folderOf('state', revision('web:1', { binds, env: ['A=1'] }))).not.toBe(first);
  const other = revision('web:1');
  other.components.sshd = component('sshd:9');
  expect(await folderOf('state', other)).toBe(first);
  expect(await folderOf('all', revision('web:2'))).toBe(await folderOf('all', revision('web:1')));
});

test('those to keep are known without any image, and of components that bind none they are only possible', async () => {
  // As if the label of an image that is missing bound it: only the image could tell.
  const of = revision('web:1', {});
  const made = await volumes.prepareVolumes(component('web:1'), { binds }, rootfs);
  expect(volumes.keptFolders(of)).toContain(made.get('state'));
  expect(volumes.keptFolders(of).every((folder) => folder.startsWith(join(base, 'data/volumes/revision/state/')))).toBe(
    true,
  );
  expect(volumes.keptFolders(revision('web:2', {}))).not.toContain(made.get('state'));
});

describe('a new one', () => {
  test('gets what the image has there, with owner and mode, once', async () => {
    const inImage = join(rootfs, 'all');
    mkdirSync(join(inImage, 'sub'), { recursive: true, mode: 0o700 });
    writeFileSync(join(inImage, 'sub/file'), 'from the image');
    symlinkSync('/etc/passwd', join(inImage, 'link'));
    chownSync(inImage, 33, 34);
    const both = ['all:/all', 'all:/all:ro'].map((bind) => prepare([bind]));
    const folder = (await Promise.all(both))[0]?.get('all') ?? '';
    const { uid, gid, mode } = statSync(folder);
    expect([uid, gid, mode & 0o777]).toEqual([33, 34, 0o700]);
    expect(readlinkSync(join(folder, 'link'))).toBe('/etc/passwd');
    writeFileSync(join(folder, 'sub/file'), 'changed');
    await prepare(['all:/all']);
    expect(readFileSync(join(folder, 'sub/file'), 'utf8')).toBe('changed');
    expect(readdirSync(dirname(folder))).toEqual(['all']);
  });

  test("is empty and root's when the image has nothing there", async () => {
    const folder = (await prepare(['now:/now'])).get('now') ?? '';
    const { uid, mode } = statSync(folder);
    expect([readdirSync(folder), uid, mode & 0o777]).toEqual([[], 0, 0o755]);
  });

  test('never gets files of the device through a link of the image', async () => {
    const secret = join(base, 'secret');
    mkdirSync(secret);
    writeFileSync(join(secret, 'key'), 'k');
    symlinkSync(secret, join(rootfs, 'all'));
    mkdirSync(join(rootfs, 'inside'));
    writeFileSync(join(rootfs, 'inside/mine'), 'm');
    symlinkSync('../../../inside', join(rootfs, 'now'));
    symlinkSync('loop', join(rootfs, 'loop'));
    const folders = await prepare(['all:/all', 'now:/now', 'state:/loop']);
    expect(['all', 'now', 'state'].map((name) => readdirSync(folders.get(name) ?? ''))).toEqual([[], ['mine'], []]);
  });

  test('that belongs to a revision has one user', async () => {
    current = revision('web:1');
    current.components.backup = component('backup:1', { binds: ['all:/a', 'state:/s'] });
    await expect(prepare(['state:/state'])).rejects.toThrow('backup and web bind the volume "state"');
    await prepare(['all:/all']);
    expect(existsSync(join(base, 'data/volumes/revision'))).toBe(false);
  });
});

describe('a `revision` one in a swap', () => {
  const [one, two] = [revision('web:1'), revision('web:2')];

  test('takes its data along, and a rollback finds what was before', async () => {
    await runIn(one, 'by one');
    await volumes.copyRevisionVolume('state', one, two, { fresh: true });
    expect(await runIn(two)).toBe('by one');
    await runIn(two, 'by two');
    await volumes.copyRevisionVolume('state', two, one, { fresh: false });
    expect(await runIn(one)).toBe('by one');
    expect(await runIn(two)).toBe('by two');
  });

  test('of a second try begins with the data of now, not of the first try', async () => {
    await runIn(one, 'first');
    await volumes.copyRevisionVolume('state', one, two, { fresh: true });
    await runIn(two, 'spoilt');
    await volumes.settleCopies(one);
    await runIn(one, 'second');
    await volumes.copyRevisionVolume('state', one, two, { fresh: true });
    expect(await runIn(two)).toBe('second');
    await volumes.settleCopies(two);
    expect(readdirSync(dirname(await folderOf('state', one)))).toHaveLength(2);
  });

  test('going back to one whose data is gone gets that of now', async () => {
    await runIn(two, 'by two');
    await volumes.copyRevisionVolume('state', two, one, { fresh: false });
    expect(await runIn(one)).toBe('by two');
  });

  test('is not copied when nothing of it changes, or when it does not belong to a revision', async () => {
    await runIn(one, 'by one');
    const more = { ...one, components: { ...one.components, other: component('other:1') } };
    await volumes.copyRevisionVolume('state', one, more, { fresh: true });
    expect(readdirSync(dirname(await folderOf('state', one)))).toHaveLength(1);
    await volumes.copyRevisionVolume('all', one, two, { fresh: true });
    expect(existsSync(join(base, 'data/volumes/permanent'))).toBe(false);
  });

  test('left half-way by a power cut, is copied anew', async () => {
    await runIn(one, 'by one');
    const target = await folderOf('state', two);
    for (const rest of ['.new', '.old']) {
      mkdirSync(`${target}${rest}`);
      writeFileSync(`${target}${rest}/value`, 'half');
    }
    await volumes.copyRevisionVolume('state', one, two, { fresh: true });
    expect(await runIn(two)).toBe('by one');
    expect(lstatSync(target).isDirectory() && readdirSync(dirname(target)).length).toBe(2);
  });

  test('replaces what ran before only when the swap to it succeeds', async () => {
    await runIn(one, 'by one');
    await volumes.copyRevisionVolume('state', one, two, { fresh: true });
    await runIn(two, 'by two');
    for (const tries of [1, 2]) {
      for (let copy = 0; copy < tries; copy++) await volumes.copyRevisionVolume('state', two, one, { fresh: true });
      await runIn(one, 'spoilt by the swap back');
      await volumes.settleCopies(two);
      expect([await runIn(one), await runIn(two)]).toEqual(['by one', 'by two']);
    }
    await volumes.copyRevisionVolume('state', two, one, { fresh: true });
    await volumes.settleCopies(one);
    expect(await runIn(one)).toBe('by two');
    expect(readdirSync(dirname(await folderOf('state', one)))).toHaveLength(2);
  });

  test('that a copy was about to replace when the power failed is there again', async () => {
    await runIn(one, 'by one');
    const folder = await folderOf('state', one);
    renameSync(folder, `${folder}.former`);
    await volumes.settleCopies(one);
    expect(await runIn(one)).toBe('by one');
    expect(readdirSync(dirname(folder))).toHaveLength(1);
  });

  test('keeps extended attributes, whatever the names of its files are', async () => {
    const folder = dirname(await runInFolder(one));
    const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x41])]);
    writeFileSync(odd, 'x');
    const script = `import os,sys
f = os.fsencode(sys.argv[1])
for name in os.listdir(f): os.setxattr(f + b'/' + name, 'trusted.note', b'one\\0two')
os.setxattr(f, 'trusted.folder', b'')
os.symlink('nowhere', f + b'/link')
os.setxattr(f + b'/link', 'trusted.link', b'l', follow_symlinks=False)`;
    execFileSync('python3', ['-c', script, folder]);
    await volumes.copyRevisionVolume('state', one, two, { fresh: true });
    const read = `import os,sys
f = os.fsencode(sys.argv[1])
for name in [b'.'] + sorted(os.listdir(f)):
  path = f + b'/' + name
  print(name, [(a, os.getxattr(path, a, follow_symlinks=False)) for a in os.listxattr(path, follow_symlinks=False)])`;
    const [before, after] = [folder, await folderOf('state', two)].map((path) =>
      execFileSync('python3', ['-c', read, path], { encoding: 'utf8' }),
    );
    expect(before).toContain('trusted.link');
    expect(before?.match(/trusted\.note/g)).toHaveLength(2);
    expect(after).toBe(before);
  });

  test('that does not fit is said before anything is written', async () => {
    mkdirSync(join(base, 'data'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', join(base, 'data')]);
    try {
      await runIn(one, 'x'.repeat(3 << 20));
      const words =
        'the volume "state" cannot be copied for the new revision: 3 MiB do not fit into the 1 MiB that are free';
      await expect(volumes.mustFit(one, two, { fresh: true })).rejects.toThrow(words);
      await expect(volumes.copyRevisionVolume('state', one, two, { fresh: true })).rejects.toThrow(words);
      await runIn(one, 'x');
      await volumes.mustFit(one, two, { fresh: true });
      expect(readdirSync(dirname(await folderOf('state', one)))).toHaveLength(1);

      // Each of two fits alone.
      const both = { binds: ['state:/state', 'more:/more'] };
      const [two1, two2] = [revision('web:1', both), revision('web:2', both)];
      for (const of of [two1, two2]) Object.assign(of.volumes ?? {}, { more: { persistence: 'revision' } });
      current = two1;
      const folders = await prepare(both.binds, two1);
      for (const folder of folders.values()) writeFileSync(join(folder, 'value'), 'x'.repeat(3 << 19));
      await expect(volumes.mustFit(two1, two2, { fresh: true })).rejects.toThrow(
        'the volumes "more", "state" cannot be copied for the new revision',
      );
      // Going back to what is there copies nothing.
      for (const folder of folders.values()) rmSync(join(folder, 'value'));
      for (const name of ['more', 'state']) await volumes.copyRevisionVolume(name, two1, two2, { fresh: true });
      for (const folder of folders.values()) writeFileSync(join(folder, 'value'), 'x'.repeat(3 << 19));
      await volumes.mustFit(two1, two2, { fresh: false });
    } finally {
      execFileSync('umount', [join(base, 'data')]);
    }
  });
});

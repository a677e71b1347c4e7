import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { gantry } from './support/gantry.ts';
import { root } from './support/paths.ts';

const temporary = () => mkdtempSync(join(tmpdir(), 'gantry-e2e-'));
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const demo = join(root, 'images/demo.yml');

describe('gantry build', () => {
  it('gives the same bytes twice', async () => {
    const [one, two] = [join(temporary(), 'one'), join(temporary(), 'two')];
    for (const out of [one, two])
      expect(await gantry('build', demo, '--relock-gone', '-o', out)).toMatchObject({ code: 0 });
    for (const part of ['kernel', 'initrd.img', 'root.img', 'image.json']) {
      expect(sha256(join(two, part)), part).toBe(sha256(join(one, part)));
    }
    for (const out of [one, two]) rmSync(out, { recursive: true });
  });

  it('names file and line of a mistake and writes nothing', async () => {
    const dir = temporary();
    const path = join(dir, 'os.yml');
    writeFileSync(path, 'kernel:\n  image: kernel:6.12\nservices:\n  - name: web\n    imgae: web:1\n');
    const outcome = await gantry('build', path, '-o', join(dir, 'out'));
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain(`${path}:5:5: services.0.imgae: unknown key`);
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });

  it('offers the nearest image for an unknown one', async () => {
    const dir = temporary();
    const path = join(dir, 'os.yml');
    writeFileSync(path, readFileSync(demo, 'utf8').replace('image: web:1', `image: wbe:1`));
    const outcome = await gantry('build', path, '-o', join(dir, 'out'));
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain('there is no image');
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });

  it('names a locked package that the archive no longer has, and takes what there is only when told to', async () => {
    const dir = join(temporary(), 'dhcp');
    cpSync(join(root, 'images/dhcp'), dir, { recursive: true });
    const lock = readFileSync(join(dir, 'lock.json'), 'utf8');
    const gone = lock
      .replaceAll(/busybox-static_[^"]*_amd64\.deb/g, 'busybox-static_0.1_amd64.deb')
      .replaceAll(/"sha256": "[0-9a-f]{8}/g, '"sha256": "00000000');
    writeFileSync(join(dir, 'lock.json'), gone);
    const out = join(dir, 'oci');
    const refused = await gantry('component', 'build', dir, '--arch', 'amd64', '-o', out);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/cannot get busybox-static .* that the lock file names[\s\S]*gantry component lock/);
    const taken = await gantry('component', 'build', dir, '--arch', 'amd64', '-o', out, '--relock-gone');
    expect(taken.stderr).toContain('taking what the archive has now');
    expect(taken.code).toBe(0);
  });

  it('says so when the disk is full, and leaves nothing under the final name', async () => {
    const dir = temporary();
    const small = join(dir, 'small');
    mkdirSync(small);
    // A private mount namespace: the small disk is gone with the command, whatever happens.
    const script = `mount -t tmpfs -o size=20m tmpfs "$1" && "$2" "$3" build "$4" --relock-gone -o "$1/out"; code=$?; ls -A "$1"; exit $code`;
    const command = [
      '-c',
      script,
      'sh',
      small,
      join(root, 'node_modules/.bin/node'),
      join(root, 'bin/gantry.mjs'),
      demo,
    ];
    const asRoot = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-rm'];
    const outcome = await execa(asRoot[0] ?? '', [...asRoot.slice(1), 'sh', ...command], { reject: false });
    expect(outcome.exitCode).not.toBe(0);
    expect(outcome.stderr).toMatch(/no space left/i);
    expect(outcome.stdout.trim()).toBe('');
  });
});

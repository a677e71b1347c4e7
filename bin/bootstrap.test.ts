import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isFresh, writeStamp } from './lib/freshness.mjs';
import { lockFits } from './lib/npm-packages.mjs';
import {
  askedArch,
  fullPath,
  howToInstall,
  isInstalled,
  missing,
  packagesFor,
  requirements,
  whyRoot,
} from './lib/requirements.mjs';
import { resultsVariable } from './lib/results-reporter.mjs';
import { complete, readResults, summary } from './lib/test-summary.mjs';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-test-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('system packages', () => {
  const packages = (command: Parameters<typeof requirements>[0], arch: 'amd64' | 'arm64', has: string[]) =>
    packagesFor(missing(requirements(command, arch), (program) => has.includes(program)));

  test('the demo needs the emulator of its architecture only', () => {
    expect(packages('demo', 'amd64', [])).toEqual([
      'qemu-system-x86',
      'apt',
      'debian-archive-keyring',
      'dpkg',
      'xz-utils',
      'squashfs-tools',
    ]);
    expect(packages('demo', 'arm64', [])[0]).toBe('qemu-system-arm');
    expect(packages('demo', 'arm64', [])).not.toContain('qemu-system-x86');
  });

  test('only what is missing is installed', () => {
    const has = ['qemu-system-aarch64', 'apt-get', 'dpkg-deb', 'xz', '/usr/share/keyrings/debian-archive-keyring.gpg'];
    expect(packages('demo', 'arm64', has)).toEqual(['squashfs-tools']);
    expect(packages('docs', 'amd64', [])).toEqual([]);
  });

  test('tests need both emulators, and check needs what the unit tests need', () => {
    expect(packages('test', 'amd64', [])).toEqual(
      expect.arrayContaining(['qemu-system-x86', 'qemu-system-arm', 'e2fsprogs', 'openssh-server']),
    );
    expect(packages('check', 'amd64', [])).toEqual(packages('test', 'arm64', []));
  });

  test('only the tests need root, and say so before anything else', () => {
    expect(whyRoot('test', 1000)).toMatch(/needs root[\s\S]*npm run check/);
    expect(whyRoot('test', 0)).toBeUndefined();
    expect(whyRoot('check', 1000)).toBeUndefined();
    expect(whyRoot('demo', 1000)).toBeUndefined();
  });

  test('a program in a folder for administrators is found', () => {
    expect(fullPath('/home/me/bin').split(':')).toEqual(expect.arrayContaining(['/home/me/bin', '/usr/sbin', '/sbin']));
    const program = join(dir, 'mkfs.test');
    writeFileSync(program, '');
    expect(isInstalled('mkfs.test', dir)).toBe(false);
    chmodSync(program, 0o755);
    expect(isInstalled('mkfs.test', dir)).toBe(true);
    expect(isInstalled(program)).toBe(true);
    expect(isInstalled(join(dir, 'none'))).toBe(false);
  });

  test('root installs itself, a user through sudo, and nobody without apt', () => {
    expect(howToInstall({ apt: true, root: true, sudo: false })).toBe('root');
    expect(howToInstall({ apt: true, root: false, sudo: true })).toBe('sudo');
    expect(howToInstall({ apt: true, root: false, sudo: false })).toBe('by-hand');
    expect(howToInstall({ apt: false, root: true, sudo: true })).toBe('by-hand');
  });

  test('the architecture is the one asked for, else the host’s', () => {
    expect(askedArch([], 'x64')).toBe('amd64');
    expect(askedArch(['--keep'], 'arm64')).toBe('arm64');
    expect(askedArch(['--keep', '--arch', 'arm64'], 'x64')).toBe('arm64');
    expect(askedArch(['--arch=amd64'], 'arm64')).toBe('amd64');
    expect(() => askedArch(['--arch=riscv64'], 'x64')).toThrow('amd64 or arm64');
    expect(() => askedArch(['--arch'], 'x64')).not.toThrow();
  });
});

describe('npm packages', () => {
  const host = { platform: 'linux', arch: 'x64' };
  const wanted = {
    '': {},
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/tool-linux-x64': { version: '2.0.0', optional: true, os: ['linux'], cpu: ['x64'] },
    'node_modules/tool-linux-arm64': { version: '2.0.0', optional: true, os: ['linux'], cpu: ['arm64'] },
    'node_modules/tool-musl': { version: '2.0.0', optional: true, os: ['linux'], cpu: ['x64'], libc: ['musl'] },
  };
  const installed = {
    'node_modules/a': wanted['node_modules/a'],
    'node_modules/tool-linux-x64': wanted['node_modules/tool-linux-x64'],
  };

  test('what is for another machine may be absent', () => {
    expect(lockFits(wanted, installed, host)).toBe(true);
  });

  test('another version, other content, a missing and a superfluous package do not fit', () => {
    const changed = (entry: object) => ({ ...installed, 'node_modules/a': { ...wanted['node_modules/a'], ...entry } });
    expect(lockFits(wanted, changed({ version: '1.0.1' }), host)).toBe(false);
    expect(lockFits(wanted, changed({ integrity: 'sha512-b' }), host)).toBe(false);
    const { 'node_modules/a': _, ...without } = installed;
    expect(lockFits(wanted, without, host)).toBe(false);
    expect(lockFits(wanted, { ...installed, 'node_modules/b': { version: '1.0.0' } }, host)).toBe(false);
  });

  test('what is optional but made for this machine must be there', () => {
    expect(lockFits(wanted, { 'node_modules/a': wanted['node_modules/a'] }, host)).toBe(false);
    expect(lockFits(wanted, installed, { platform: 'linux', arch: 'arm64' })).toBe(false);
  });
});

describe('the end of npm test', () => {
  test('has everything that failed, in tests, hooks, files and outside of them', () => {
    const root = join(import.meta.dirname, '..');
    const path = join(dir, 'results.json');
    writeFileSync(
      join(dir, 'a.test.js'),
      `import { afterAll, describe, expect, test } from 'vitest';
       test('right', () => {});
       test.runIf(false)('left out', () => {});
       test('wrong', () => expect(1).toBe(2));
       describe('group', () => {
         afterAll(() => { throw new Error('not tidy'); });
         test('right too', () => { setTimeout(() => { throw new Error('too late'); }); });
       });`,
    );
    writeFileSync(join(dir, 'b.test.js'), `throw new Error('not loaded');`);
    const vitest = ['run', '--globals', '--root', dir, `--reporter=${join(root, 'bin/lib/results-reporter.mjs')}`];
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...vitest], {
      env: { ...process.env, [resultsVariable]: path },
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(1);
    const results = readResults(path);
    expect(results?.passed).toBe(2);
    expect(results?.failures.map(({ name, message }) => `${name}: ${message.split('\n')[0]}`).sort()).toEqual([
      'a.test.js: group: Error: not tidy',
      'a.test.js: wrong: AssertionError: expected 1 to be 2 // Object.is equality',
      'b.test.js: Error: not loaded',
      'outside of any test: Error: too late',
    ]);
  });

  test('a run that failed for no test counts, and one without results', () => {
    expect(complete({ passed: 3, failures: [] }, 0).failures).toEqual([]);
    expect(complete({ passed: 3, failures: [] }, 1)).toMatchObject({ passed: 3, failures: [{ name: 'vitest' }] });
    expect(complete(undefined, 0)).toMatchObject({ passed: 0, failures: [{ name: 'vitest' }] });
  });

  test('says again what failed, and how many in the last line', () => {
    const failure = { name: 'a.test.ts: wrong', message: `${'line\n'.repeat(50)}end` };
    const lines = summary([
      { passed: 2, failures: [failure] },
      { passed: 1, failures: [] },
    ]);
    expect(lines).toHaveLength(16);
    expect(lines[1]).toBe('FAILED a.test.ts: wrong');
    expect(lines.at(-1)).toBe('3 passed, 1 failed');
    expect(summary([{ passed: 3, failures: [] }])).toEqual(['3 passed, 0 failed']);
  });
});

describe('freshness of a bundle', () => {
  const source = () => join(dir, 'src.ts');
  const outdir = () => join(dir, 'out');
  const hourAgo = () => new Date(Date.now() - 3_600_000);
  beforeEach(() => {
    mkdirSync(join(dir, 'scripts'));
    mkdirSync(join(dir, 'bin/lib'), { recursive: true });
    for (const path of ['package-lock.json', 'scripts/build.ts', 'bin/lib/freshness.mjs', 'src.ts']) {
      writeFileSync(join(dir, path), 'x');
      utimesSync(join(dir, path), hourAgo(), hourAgo());
    }
  });

  test('holds until a source changes or goes', () => {
    expect(isFresh(dir, outdir())).toBe(false);
    writeStamp(dir, outdir(), ['src.ts', 'node_modules/a/index.js'], Date.now());
    expect(isFresh(dir, outdir())).toBe(true);
    writeFileSync(source(), 'y');
    expect(isFresh(dir, outdir())).toBe(false);
    writeStamp(dir, outdir(), ['src.ts'], statSync(source()).mtimeMs + 1000);
    expect(isFresh(dir, outdir())).toBe(true);
    rmSync(source());
    expect(isFresh(dir, outdir())).toBe(false);
  });

  test('does not hold when a source changed while the bundle was made', () => {
    const started = Date.now() - 60_000;
    writeFileSync(source(), 'y');
    writeStamp(dir, outdir(), ['src.ts'], started);
    expect(isFresh(dir, outdir())).toBe(false);
  });
});

test('an unknown command is refused before anything is installed', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'bootstrap.mjs'), 'deploy']);
  expect(status).toBe(1);
  expect(String(stderr)).toContain('npm run demo|test|check');
});

import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { ImageInfo } from '../../shared/device-paths.ts';
import { file } from '../oci/entry.ts';
import { insideEntries, installScript, outsideEntries } from './files.ts';

const info = {
  name: 'it is $(mine)',
  id: '0123456789abcdef',
  arch: 'arm64',
  gantry: '0.1.0',
  board: 'machine',
  bootModules: [],
} satisfies ImageInfo;
const sha256 = 'ab'.repeat(32);

describe('installScript', () => {
  it('ends on the line before the archive, fills every gap, and is a shell script', async () => {
    const script = await installScript(info, 'a b.run', sha256);
    expect(script).toContain(`tail -n +${script.split('\n').length} `);
    expect(script).toContain('this is for arm64, and');
    expect(script).toContain(sha256);
    expect(script).not.toMatch(/@[A-Z0-9]+@/);
    execFileSync('sh', ['-n'], { input: script });
  });

  it('takes no name for shell code', async () => {
    const script = await installScript(info, "'; reboot '.run", sha256);
    expect(script).not.toContain('$(mine)');
    expect(script).not.toContain('; reboot');
    expect(script).toContain('it-is---mine-');
  });
});

describe('the package’s files', () => {
  it('lie where the scripts look for them, and can be run', async () => {
    const busybox = file('usr/bin/busybox', 'x', 0o755);
    const outside = await outsideEntries(new Map([[busybox.path, busybox]]), info);
    const inside = await insideEntries([file('etc/app.conf', 'y', 0o600)]);
    const modes = new Map([...outside, ...inside].map(({ path, mode }) => [path, mode]));
    for (const path of ['run', 'space', 'setup', 'start', 'stop', 'uninstall', 'busybox']) {
      expect(modes.get(path)).toBe(0o755);
    }
    for (const name of ['supervise', 'hold', 'end']) expect(modes.get(`usr/lib/gantry/${name}`)).toBe(0o755);
    expect(modes.get('gantry/files/etc/app.conf')).toBe(0o600);
    for (const { path, content } of [...outside, ...inside]) {
      if (content?.toString().startsWith('#!')) execFileSync('sh', ['-n'], { input: content, env: { NAME: path } });
    }
  });

  it('need a busybox', async () => {
    await expect(outsideEntries(new Map(), info)).rejects.toThrow('the base has no /usr/bin/busybox');
  });
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { directory, file, symlink } from '../../compose/oci/entry.ts';
import { cpioArchive } from './cpio.ts';

describe('cpioArchive', () => {
  it('is unpacked by cpio to what went in', () => {
    const archive = cpioArchive([
      directory('d'),
      file('d/odd', 'abc', 0o755),
      file('empty', ''),
      symlink('link', 'd/odd'),
    ]);
    const dir = mkdtempSync(join(tmpdir(), 'gantry-test-'));
    execFileSync('cpio', ['-id', '--quiet'], { cwd: dir, input: archive });
    expect(readFileSync(join(dir, 'd/odd'), 'utf8')).toBe('abc');
    expect(statSync(join(dir, 'd/odd')).mode & 0o777).toBe(0o755);
    expect(statSync(join(dir, 'empty')).size).toBe(0);
    expect(readlinkSync(join(dir, 'link'))).toBe('d/odd');
  });
});

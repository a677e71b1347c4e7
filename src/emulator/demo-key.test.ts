import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureDemoKey } from './demo-key.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  process.env.XDG_STATE_HOME = home;
});
afterEach(() => {
  rmSync(home, { recursive: true });
  delete process.env.XDG_STATE_HOME;
});

test('OpenSSH and ssh2 read the key, and both halves belong together', () => {
  const { identityFile, publicKeyFile } = ensureDemoKey();
  const line = readFileSync(publicKeyFile, 'utf8');
  expect(line).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]+ gantry-demo\n$/);
  expect(execFileSync('ssh-keygen', ['-y', '-f', identityFile], { encoding: 'utf8' })).toBe(line);
  const parsed = ssh2.utils.parseKey(readFileSync(identityFile));
  if (parsed instanceof Error) throw parsed;
  expect(parsed.getPublicSSH().toString('base64')).toBe(line.split(' ')[1]);
  const signature = parsed.sign('text');
  expect(ssh2.utils.parseKey(line)).toMatchObject({ type: 'ssh-ed25519' });
  expect(parsed.verify('text', signature)).toBe(true);
});

test('nobody else can read it, it is made once, and a lost public half comes back', () => {
  const { identityFile, publicKeyFile } = ensureDemoKey();
  expect(statSync(identityFile).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(identityFile)).mode & 0o777).toBe(0o700);
  const before = [readFileSync(identityFile, 'utf8'), readFileSync(publicKeyFile, 'utf8')];
  rmSync(publicKeyFile);
  ensureDemoKey();
  expect([readFileSync(identityFile, 'utf8'), readFileSync(publicKeyFile, 'utf8')]).toEqual(before);
  expect(readdirSync(dirname(identityFile)).sort()).toEqual(['id_ed25519', 'id_ed25519.pub']);
});

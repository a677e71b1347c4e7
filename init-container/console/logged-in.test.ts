import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LoggedIn } from './logged-in.ts';
import { endStandIn } from './stand-in.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-login-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('with a password, hosts get to the API while somebody is logged in', () => {
  const logins = new LoggedIn(join(folder, 'logins'), { console: 'password', root_shell: true });
  const [one, other] = [logins.file(), logins.file()];
  expect(logins.whyNoApi()).toContain('log in');
  for (const file of [one, other]) writeFileSync(file, '');
  expect(logins.whyNoApi()).toBeUndefined();
  logins.ended(one);
  expect(logins.whyNoApi()).toBeUndefined();
  logins.ended(other);
  expect(logins.whyNoApi()).toContain('password');
  writeFileSync(one, '');
  // What the init container before this one left.
  expect(new LoggedIn(join(folder, 'logins'), { console: 'password', root_shell: true }).whyNoApi()).toBeDefined();
});

test('an open console is open', () => {
  expect(new LoggedIn(join(folder, 'open'), { console: 'open', root_shell: true }).whyNoApi()).toBeUndefined();
});

test('what stood in at the console is ended, also when it does not listen at first', async () => {
  const child = spawn('sh', ['-c', 'trap : TERM; echo up; read -r word; trap - TERM; while :; do sleep 0.1; done'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  const file = join(folder, 'pid');
  writeFileSync(file, `${child.pid}\n`);
  const gone = once(child, 'exit');
  const ended = endStandIn(file);
  child.stdin.end('go\n');
  await ended;
  await gone;
});

test('nothing stood in', async () => {
  await endStandIn(join(folder, 'none'));
});

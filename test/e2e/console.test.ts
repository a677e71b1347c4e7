import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { gantryOk, start } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { openTerminal } from './support/terminal.ts';
import { until } from './support/until.ts';

/** Several programs on the one serial line of a device, and what a console does beside a shell. */
const folder = mkdtempSync(join(tmpdir(), 'gantry-e2e-console-'));
const log = join(folder, 'console.log');
const cast = join(folder, 'console.cast');

let machine: Machine;
const on = (...args: string[]) => ['-d', machine.target, ...args];

beforeAll(async () => {
  machine = await boot('amd64', 'serial', { name: 'e2e-console' });
  await machine.untilHealthy();
});
afterAll(async () => {
  await machine?.stop();
  rmSync(folder, { recursive: true });
});

/** A `gantry` that runs, and what it has shown so far. */
function running(...args: string[]) {
  const child = start(on(...args));
  const shown = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => {
    shown.out += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    shown.err += chunk;
  });
  return { child, shown };
}

/** Makes the container web say numbered lines, as its first process would. */
async function say(first: number, last: number): Promise<void> {
  await gantryOk(...on('exec', 'web', 'sh', '-c', `seq ${first} ${last} | sed 's/^/line /' > /proc/1/fd/1`));
}

const numbered = (text: string) => text.split('\n').flatMap((line) => /^line (\d+)$/.exec(line)?.[1] ?? []);

it('commands work beside a console that records; when it is killed, the next one has the line and logs -f goes on', async () => {
  const holder = running('console', '--log', log, '--record', cast);
  await until('the console to have a shell', 60, async () => holder.shown.err.includes('the device answers'));
  const follower = running('logs', '-f', '--tail', '0', 'web');
  // The health check's requests tell that it follows.
  await until('the follower to be there', 60, async () => follower.shown.out.includes('GET /health'));
  await say(1, 200);
  await until('the lines to come', 60, async () => follower.shown.out.includes('line 200\n'));
  holder.child.kill('SIGKILL');
  await holder.child;
  await say(201, 400);
  await until('the lines behind to come', 60, async () => follower.shown.out.includes('line 400\n'));
  follower.child.kill('SIGINT');
  await follower.child;
  expect(numbered(follower.shown.out)).toEqual(Array.from({ length: 400 }, (_, index) => String(index + 1)));
  const replayed = await gantryOk('console', '--replay', cast, '--speed', '0');
  expect(replayed.length).toBeGreaterThan(0);
  // What a command prints loses its last line end on the way to us, and that of a console is \r\n.
  expect(replayed).toBe(readFileSync(log, 'utf8').replace(/\r?\n$/, ''));
});

it('sends SysRq to the kernel under a link, whose answer comes to the console', async () => {
  const terminal = openTerminal(on('console'));
  try {
    await terminal.sees('the device answers');
    terminal.type('\x14Bh');
    await terminal.sees('sysrq: HELP : loglevel');
    terminal.type('revisions\r');
    await terminal.sees(/0 +\S*current/);
    terminal.type('\x14q');
    expect(await terminal.exit).toBe(0);
  } finally {
    terminal.kill();
  }
});

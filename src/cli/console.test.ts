import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type IPty, spawn as spawnTerminal } from '@lydell/node-pty';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { cursorFrame, frame } from '../../init-container/api/frames.ts';
import type { Route } from '../../init-container/api/router.ts';
import { type ConsoleAgent, startConsoleAgent } from '../../init-container/console/agent.ts';
import { spawnPty } from '../../init-container/native/pty.ts';
import { createPty, type Pty } from '../../test/support/pty.ts';
import { jsonRoute, TestDevice, testComponent } from '../device/api-server.testing.ts';

/** Real `gantry` processes on one line, with the device's own console agent and API server at its other end. */
const program = join(import.meta.dirname, 'gantry.ts');
const patient = { timeout: 50_000, interval: 20 };

let dir: string;
let api: TestDevice;
let agent: ConsoleAgent;
let hostEnd: Pty;
let deviceEnd: Pty;
let env: Record<string, string>;
let children: ChildProcess[];
let terminals: IPty[];

/** The log `0`, `1`, `2`, … without an end: a cursor is the number of the next line. */
const counting: Route['handler'] = ({ response, query }) => {
  let next = Number(query.get('cursor') ?? 0);
  response.writeHead(200, { 'Content-Type': 'application/vnd.docker.multiplexed-stream' });
  const timer = setInterval(() => {
    response.write(
      Buffer.concat([frame(1, Buffer.from(`${next}\n`)), frame(cursorFrame, Buffer.from(String(++next)))]),
    );
  }, 20);
  response.once('close', () => clearInterval(timer));
};

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-console-'));
  children = [];
  terminals = [];
  env = {
    PATH: process.env.PATH ?? '',
    HOME: dir,
    TERM: 'xterm',
    XDG_RUNTIME_DIR: dir,
    XDG_CONFIG_HOME: join(dir, 'c'),
  };
  env.XDG_STATE_HOME = join(dir, 's');
  api = await new TestDevice([
    jsonRoute('GET', '/gantry/v1/components', () => [testComponent('web')]),
    { method: 'GET', pattern: '/gantry/v1/logs/web', handler: counting },
  ]).start();
  [hostEnd, deviceEnd] = [await createPty(), await createPty()];
  // As they are, two ends that nobody has opened would echo what the other echoes.
  for (const { path } of [hostEnd, deviceEnd]) execFileSync('stty', ['-F', path, 'raw', '-echo']);
  deviceEnd.cable.on('data', (chunk: Buffer) => hostEnd.cable.write(chunk));
  hostEnd.cable.on('data', (chunk: Buffer) => deviceEnd.cable.write(chunk));
  writeFileSync(join(dir, 'printk'), '4\n');
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const terminal of terminals) terminal.kill('SIGKILL');
  await agent?.close();
  hostEnd.close();
  deviceEnd.close();
  await api.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** The device's end of the line begins to listen. */
function startAgent(): void {
  agent = startConsoleAgent({
    tty: deviceEnd.path,
    bootId: 'boot-1',
    printk: { control: join(dir, 'printk'), saved: join(dir, 'saved') },
    leftRescue: () => undefined,
    log: () => undefined,
    openApi: () => connect({ path: api.path, allowHalfOpen: true }),
    openShell: async (size) => {
      const shell = await spawnPty(['/bin/sh'], { ...size, env: { PATH: process.env.PATH, PS1: 'prompt: ' } });
      return { ...shell, resize: async (columns, rows) => shell.resize(columns, rows) };
    },
  });
}

const words = (...more: string[]): string[] => [program, '-d', `serial:${hostEnd.path}?baud=921600`, ...more];

/** A `gantry` with pipes; `input` undefined leaves its input open. */
function gantry(more: string[], input?: string) {
  const child = spawn(process.execPath, words(...more), { env, stdio: 'pipe' });
  children.push(child);
  if (input !== undefined) child.stdin.end(input);
  const shown = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    shown.out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    shown.err += chunk;
  });
  const done = once(child, 'close').then(([code]) => ({ ...shown, code: code as number | null }));
  return { child, shown, done };
}

/** A `gantry` on a terminal. */
function onTerminal(...more: string[]) {
  const terminal = spawnTerminal(process.execPath, words(...more), { env, cols: 90, rows: 30 });
  terminals.push(terminal);
  const shown = { all: '' };
  terminal.onData((data) => {
    shown.all += data;
  });
  const exit = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)));
  const sees = (what: string | RegExp) => vi.waitFor(() => expect(shown.all).toMatch(what), patient);
  return { terminal, shown, exit, sees, type: (keys: string) => terminal.write(keys) };
}

it('ps and logs work beside a console; when that is killed logs -f goes on without a gap', async () => {
  startAgent();
  const holder = gantry(['console']);
  await vi.waitFor(() => expect(holder.shown.err).toContain('the device answers'), patient);
  const follower = gantry(['logs', '-f', 'web'], '');
  const numbers = () => follower.shown.out.split('\n').slice(0, -1);
  await vi.waitFor(() => expect(numbers().length).toBeGreaterThan(20), patient);
  const ps = await gantry(['ps'], '').done;
  expect(ps).toMatchObject({ code: 0, err: '' });
  expect(ps.out).toContain('web:1');
  holder.child.kill('SIGKILL');
  await holder.done;
  const before = numbers().length;
  await vi.waitFor(() => expect(numbers().length).toBeGreaterThan(before + 20), patient);
  follower.child.kill('SIGINT');
  await follower.done;
  expect(numbers()).toEqual(numbers().map((_, index) => String(index)));
}, 120_000);

it('a person sees the boot, gets a shell when the device answers, and has the commands behind the prefix', async () => {
  const record = join(dir, 'boot.cast');
  const log = join(dir, 'boot.log');
  const console = onTerminal('console', '--record', record, '--log', log, '--log-timestamps');
  // Until the port is open nobody reads what comes.
  const boots = setInterval(() => hostEnd.cable.write('U-Boot 2025.01 (Jan 06 2025)\r\n=> '), 100);
  await console.sees('prompt of its boot loader');
  clearInterval(boots);
  let typed = '';
  hostEnd.cable.on('data', (chunk: Buffer) => {
    typed += chunk.toString('latin1');
  });
  console.type('boot\r');
  await vi.waitFor(() => expect(typed).toBe('boot\r'), patient);
  hostEnd.cable.write('\r\n[    0.000000] Linux version 6.12.0\r\n');
  startAgent();
  await console.sees('the device answers: this is a shell of its own');
  await console.sees('prompt: ');
  console.type('echo $((6 * 7))\r');
  await console.sees(/\n42\r/);
  console.type('\x14?');
  await console.sees('send a break');
  console.type('\x14L');
  await console.sees('this line has no modem lines');
  console.type('\x14s');
  await console.sees(/921600 baud[\s\S]*this process holds the line/);
  console.type('\x14t');
  await console.sees('time stamps are on');
  console.type('echo stamped\r');
  await console.sees(/\[\d\d:\d\d:\d\d\.\d{3}\] stamped/);
  console.type('\x14q');
  expect(await console.exit).toBe(0);
  expect(readFileSync(log, 'utf8')).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z U-Boot 2025\.01/);
  const replayed = spawn(process.execPath, [program, 'console', '--replay', record, '--speed', '0'], { env });
  const shown = await text(replayed.stdout);
  expect(shown).toContain('U-Boot 2025.01');
  expect(shown).toMatch(/\n42\r/);
  expect(shown).not.toContain('the device answers');
}, 120_000);

it('a script sends what it has to say and ends when the device has answered', async () => {
  startAgent();
  const { out, code } = await gantry(['console'], 'echo $((6 * 7))\n').done;
  expect(out).toContain('42\r\n');
  expect(code).toBe(0);
}, 120_000);

it('a script waits for a text on a bare line, and fails when it does not come', async () => {
  const waits = gantry(['console', '--plain', '--until', 'login: ', '--timeout', '40'], '');
  const attempt = setInterval(() => hostEnd.cable.write('box login: '), 100);
  expect(await waits.done).toMatchObject({ code: 0 });
  clearInterval(attempt);
  const fails = await gantry(['console', '--plain', '--until', 'never', '--timeout', '1'], '').done;
  expect(fails).toMatchObject({ code: 1 });
  expect(fails.err).toContain('"never" did not come within 1 s');
}, 120_000);

it('a command that waits says what is seen on the line', async () => {
  const ps = gantry(['ps'], '');
  const prompts = setInterval(() => hostEnd.cable.write('\r\nbox login: '), 100);
  const said = 'waiting: the device is at a login prompt of another system (box login:)';
  await vi.waitFor(() => expect(ps.shown.err).toContain(said), patient);
  clearInterval(prompts);
  ps.child.kill('SIGINT');
  expect((await ps.done).code).toBe(130);
}, 120_000);

it('what cannot work is said before anything is touched', async () => {
  const cases: [string[], number, string][] = [
    [['console', '--prefix', 'x'], 2, 'no prefix key'],
    [['console', '--speed', 'fast'], 2, '0 to 1000'],
    [['console', '--replay', join(dir, 'missing')], 1, 'ENOENT'],
    [['console', '--log', join(dir, 'no/folder')], 1, 'cannot be written'],
  ];
  await Promise.all(
    cases.map(async ([more, code, message]) => {
      const result = await gantry(more, '').done;
      expect(result.err).toContain(message);
      expect(result.code).toBe(code);
    }),
  );
  const missing = spawn(process.execPath, [program, '-d', 'serial:/dev/ttyNone9', 'console'], { env });
  missing.stdin.end();
  expect(await text(missing.stderr)).toContain('there is no serial port /dev/ttyNone9');
  expect(missing.exitCode ?? (await once(missing, 'close'))[0]).toBe(3);
}, 120_000);

it('lists the serial lines of this machine', async () => {
  const { out, code } = await gantry(['console', '--list', '--json'], '').done;
  expect(Array.isArray(JSON.parse(out))).toBe(true);
  expect(code).toBe(0);
}, 120_000);

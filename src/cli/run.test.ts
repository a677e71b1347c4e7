import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type IPty, spawn } from '@lydell/node-pty';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { greeting, writeEchoImage } from '../emulator/echo-guest.testing.ts';
import { type Instance, isRunning, listInstances, loadInstance, stopEmulator, untilEnded } from '../emulator/index.ts';

let home: string;
let imageDir: string;
const terminals: IPty[] = [];
const program = join(import.meta.dirname, 'gantry.ts');

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  process.env.XDG_STATE_HOME = home;
  process.env.XDG_CACHE_HOME = home;
  imageDir = join(home, 'image');
  writeEchoImage(imageDir);
});
afterEach(async () => {
  for (const terminal of terminals.splice(0)) terminal.kill('SIGKILL');
  for (const instance of listInstances()) await stopEmulator(instance);
  rmSync(home, { recursive: true });
  delete process.env.XDG_STATE_HOME;
  delete process.env.XDG_CACHE_HOME;
});

const gantry = (...args: string[]) => promisify(execFile)(process.execPath, [program, 'run', ...args]);

/** `gantry run` in a terminal. */
function inTerminal(...args: string[]) {
  const terminal = spawn(process.execPath, [program, 'run', ...args], { cols: 200, rows: 40 });
  terminals.push(terminal);
  let seen = '';
  const waiting: { text: string; resolve: () => void }[] = [];
  terminal.onData((data) => {
    seen += data;
    for (const { text, resolve } of waiting) if (seen.includes(text)) resolve();
  });
  const ended = new Promise<{ exitCode: number; signal?: number }>((resolve) => terminal.onExit(resolve));
  const shows = (text: string) =>
    new Promise<void>((resolve, reject) => {
      if (seen.includes(text)) resolve();
      else waiting.push({ text, resolve });
      ended.then(() => reject(new Error(`it ended and never showed ${JSON.stringify(text)}:\n${seen}`)));
    });
  return { terminal, ended, shows };
}

test('the console is shown from its first byte, keys reach the guest, and Ctrl-] leaves nothing running', async () => {
  const { terminal, ended, shows } = inTerminal(imageDir);
  await shows(greeting.trim());
  const instance = loadInstance('echo');
  // Ctrl-C is for the guest.
  terminal.write('a\x03b');
  await shows('a\x03b');
  terminal.write('\x1d');
  expect(await ended).toMatchObject({ exitCode: 0 });
  expect(isRunning(instance)).toBe(false);
});

test('a guest that powers off ends the command', async () => {
  const { terminal, ended, shows } = inTerminal(imageDir, '--serial-only');
  await shows(greeting.trim());
  terminal.write('q');
  expect(await ended).toMatchObject({ exitCode: 0 });
  expect(listInstances()).toEqual([]);
});

test.each(['SIGTERM', 'SIGHUP', 'SIGKILL'])('%s leaves nothing running', async (signal) => {
  const { terminal, ended, shows } = inTerminal(imageDir, '--serial-only');
  await shows(greeting.trim());
  const instance = loadInstance('echo');
  process.kill(terminal.pid, signal);
  await ended;
  expect(await untilEnded(instance, 10_000)).toBe(true);
});

test('detached, it is listed, named when the name is taken, and stopped', async () => {
  const started = await gantry(imageDir, '--detach', '--json', '--name', 'one', '-p', '80');
  const instance: Instance = JSON.parse(started.stdout);
  expect(started.stderr).toContain(`ssh -i ${home}/gantry/demo/id_ed25519`);
  expect(started.stderr).toContain(`http://127.0.0.1:${instance.ports['80']}/`);
  expect(JSON.parse((await gantry('--list', '--json')).stdout)).toEqual([instance]);
  await expect(gantry(imageDir, '--name', 'one')).rejects.toThrow(/already runs/);
  await expect(gantry('--stop', 'two')).rejects.toThrow(/no emulator "two".*Running: one/);
  await gantry('--stop', 'one');
  expect(isRunning(instance)).toBe(false);
  expect((await gantry('--list', '--json')).stdout).toBe('[]\n');
});

test('a mistake in the options is refused before anything starts', async () => {
  await expect(gantry()).rejects.toMatchObject({ code: 2 });
  await expect(gantry(imageDir, '--serial-only', '-p', '80')).rejects.toMatchObject({ code: 2 });
  await expect(gantry(imageDir, '-p', '80:90:100')).rejects.toThrow(/HOST:GUEST/);
  await expect(gantry(imageDir, '-p', '70000')).rejects.toThrow(/HOST:GUEST/);
  await expect(gantry(imageDir, '--data', 'much')).rejects.toThrow(/512M or 2G/);
  await expect(gantry(join(home, 'none'))).rejects.toThrow(/not a bootable image/);
  expect(listInstances()).toEqual([]);
});

import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPty, type Pty } from '../../test/support/pty.ts';
import { ttySpeed } from './tty-speed.ts';

let folder: string;
let saved: string;
let pty: Pty;
let fd: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-speed-'));
  saved = join(folder, 'console-speed');
  pty = await createPty();
  fd = openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY);
  execFileSync('stty', ['-F', pty.path, '115200']);
});

afterEach(() => {
  closeSync(fd);
  pty.close();
  rmSync(folder, { recursive: true });
});

const sttyOf = (): string => execFileSync('stty', ['-F', pty.path], { encoding: 'utf8' });

test('the safe speed is in the file for as long as the tty is at another one', async () => {
  const speed = await ttySpeed(fd, saved);
  expect(speed?.safe).toBe(115_200);
  expect(speed?.wasFast).toBe(false);
  await speed?.setBaudRate(1_500_000);
  expect(sttyOf()).toContain('speed 1500000 baud');
  expect(readFileSync(saved, 'utf8')).toBe('115200\n');
  const successor = await ttySpeed(fd, saved);
  expect([successor?.safe, successor?.wasFast, existsSync(saved)]).toEqual([115_200, true, false]);
  expect(sttyOf()).toContain('speed 115200 baud');
});

test('a tty whose safe speed cannot be kept for a successor stays at it', async () => {
  const speed = await ttySpeed(fd, join(folder, 'missing', 'console-speed'));
  await expect(speed?.setBaudRate(921_600)).rejects.toThrow('ENOENT');
  expect(sttyOf()).toContain('speed 115200 baud');
});

test('a damaged file changes nothing, and what is no tty has no speed', async () => {
  writeFileSync(saved, 'fast\n');
  expect(await ttySpeed(fd, saved)).toMatchObject({ safe: 115_200, wasFast: false });
  const file = openSync(join(folder, 'file'), 'w');
  expect(await ttySpeed(file, saved)).toBeUndefined();
  closeSync(file);
});

test('what stands in at the console for an init container that was killed sets the safe speed first', () => {
  writeFileSync(saved, '115200\n');
  execFileSync('stty', ['-F', pty.path, '921600']);
  const script = readFileSync(new URL('../boot/console-wait', import.meta.url), 'utf8');
  const line = script.split('\n').find((text) => text.includes('console-speed')) ?? '';
  execFileSync('/bin/sh', ['-c', line], { env: { PATH: process.env.PATH, run: folder, tty: pty.path } });
  expect(sttyOf()).toContain('speed 115200 baud');
});

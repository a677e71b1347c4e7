import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockPort } from './lock-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Id of a process that has just ended. */
async function deadPid(): Promise<number> {
  const child = spawn('true');
  await new Promise((resolve) => child.once('exit', resolve));
  return child.pid ?? 0;
}

test('the lock carries the process id as other programs write it, and goes away', () => {
  const release = lockPort('/dev/ttyNone0', [folder]);
  expect(readFileSync(join(folder, 'LCK..ttyNone0'), 'latin1')).toBe(`${String(process.pid).padStart(10)}\n`);
  release();
  expect(readdirSync(folder)).toEqual([]);
});

test('a port in use names its user', () => {
  writeFileSync(join(folder, 'LCK..ttyNone0'), '         1\n');
  expect(() => lockPort('/dev/ttyNone0', [folder])).toThrow('/dev/ttyNone0 is in use by process 1');
});

test('the lock of a dead process, or one without a process, is taken over', async () => {
  for (const content of [`${String(await deadPid()).padStart(10)}\n`, 'nonsense']) {
    writeFileSync(join(folder, 'LCK..ttyNone0'), content);
    lockPort('/dev/ttyNone0', [folder])();
    expect(readdirSync(folder)).toEqual([]);
  }
});

test('a folder that cannot be written is passed over, but a lock in it counts', () => {
  const release = lockPort('/dev/ttyNone0', [join(folder, 'missing'), folder]);
  expect(existsSync(join(folder, 'LCK..ttyNone0'))).toBe(true);
  release();
  expect(() => lockPort('/dev/ttyNone0', [join(folder, 'missing')])).toThrow('no lock file for /dev/ttyNone0');
});

test('sockets of the same name in different folders have different locks', () => {
  const release = [lockPort('/a/serial.sock', [folder]), lockPort('/b/serial.sock', [folder])];
  expect(readdirSync(folder)).toHaveLength(2);
  for (const give of release) give();
});

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { KernelLogLevel } from './kernel-log-level.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-printk-'));
const control = join(folder, 'printk');
const saved = join(folder, 'saved');
let logged: string[] = [];
const make = (): KernelLogLevel => new KernelLogLevel(control, saved, (line) => logged.push(line));

beforeEach(() => {
  logged = [];
  rmSync(saved, { force: true });
  writeFileSync(control, '4\t4\t1\t7\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the level from before comes back, however often it was lowered', () => {
  const level = make();
  level.lower();
  level.lower();
  expect(readFileSync(control, 'utf8')).toBe('1\n');
  level.restore();
  expect(readFileSync(control, 'utf8')).toBe('4\n');
  expect(existsSync(saved)).toBe(false);
});

test('the next process restores what a killed one lowered', () => {
  make().lower();
  make().restore();
  expect(readFileSync(control, 'utf8')).toBe('4\n');
});

test('without anything saved the level stays', () => {
  make().restore();
  expect(readFileSync(control, 'utf8')).toBe('4\t4\t1\t7\n');
  expect(logged).toEqual([]);
});

test('a kernel that refuses is logged, not fatal', () => {
  rmSync(control);
  make().lower();
  expect(logged[0]).toContain('log level cannot be changed');
});

import { appendFileSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { InitSource } from './init-source.ts';
import { parseKernelRecord } from './kernel-source.ts';
import { readLog } from './reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-sources-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function linesOf(path: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { stream, text } of readLog(path)) lines.push(`${stream}:${text.toString().trimEnd()}`);
  return lines;
}

test('a record of the kernel: number, level, time, and text with what was escaped', () => {
  expect(parseKernelRecord('30,1234,98765,-,caller=T1;a \\x5c and \\xc3\\xa9\n SUBSYSTEM=usb\n')).toEqual({
    sequence: 1234,
    level: 6,
    micros: 98765n,
    text: 'a \\ and é',
  });
  expect(parseKernelRecord('no record')).toBeUndefined();
});

test('what the init container said is copied once, over restarts, a torn end, and files that are moved or emptied', async () => {
  const log = join(folder, 'init.log');
  const said = join(folder, 'said');
  const stamped = (text: string) => `2030-01-01T00:00:00.000Z gantry-init: ${text}\n`;
  const restart = async () => {
    const source = new InitSource(log, said);
    await source.open();
    source.collect();
    return source;
  };
  writeFileSync(said, `${stamped('one')}half `);
  await restart();
  appendFileSync(said, 'a line\n');
  await restart();
  // Its writer was cut off in the middle of a line.
  appendFileSync(log, '2030-01-01T00:0');
  appendFileSync(said, stamped('two'));
  renameSync(said, `${said}.1`);
  writeFileSync(said, 'Error: crashed\n');
  const source = await restart();
  appendFileSync(said, stamped('x'.repeat(300_000)));
  source.collect();
  expect(statSync(said).size).toBe(0);
  appendFileSync(said, stamped('three'));
  await restart();
  const lines = (await linesOf(log)).filter((line) => !line.includes('xxx'));
  expect(lines).toEqual(['stdout:one', 'stderr:half a line', 'stdout:two', 'stderr:Error: crashed', 'stdout:three']);
});

import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announcement } from '../../shared/link/handshake.ts';
import { untilListening } from './emulated-line.ts';

let dir: string;
let log: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  log = join(dir, 'console.log');
});
afterEach(() => rmSync(dir, { recursive: true }));

const listening = async (limitMs: number) => {
  let done = false;
  const waiting = untilListening(log, limitMs, new AbortController().signal).then(() => {
    done = true;
  });
  return { waiting, isDone: () => done };
};

describe('untilListening', () => {
  it('waits for the announcement, also when the file is not there yet', async () => {
    const { waiting, isDone } = await listening(60_000);
    expect(isDone()).toBe(false);
    writeFileSync(log, '[    0.000000] Booting Linux\n');
    expect(isDone()).toBe(false);
    appendFileSync(log, announcement('one'));
    await waiting;
  });

  it('goes on at once when the device has announced itself', async () => {
    writeFileSync(log, Buffer.concat([Buffer.from('text\n'), announcement('one'), Buffer.from('login')]));
    await (await listening(60_000)).waiting;
  });

  it('waits for the next announcement once the device goes down', async () => {
    writeFileSync(log, Buffer.concat([announcement('one'), Buffer.from('The system is going down NOW!\r\n')]));
    const { waiting, isDone } = await listening(60_000);
    appendFileSync(log, '[   29.1] reboot: Restarting system\r\n');
    expect(isDone()).toBe(false);
    appendFileSync(log, announcement('two'));
    await waiting;
  });

  it('gives up waiting in the end: something else may be there', async () => {
    writeFileSync(log, 'U-Boot 2025.01\n=> ');
    await (await listening(50)).waiting;
  });
});

import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announcement } from '../../shared/link/handshake.ts';
import { connectWhenListening, untilListening } from './emulated-line.ts';

let dir: string;
let log: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  log = join(dir, 'console.log');
});
afterEach(() => rmSync(dir, { recursive: true }));

const listening = async (limitMs: number) => {
  let done = false;
  const waiting = untilListening(log, { limitMs, signal: new AbortController().signal }).then(() => {
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

  it('does not take the farewell of a device that goes down for its return', async () => {
    const goingDown = [announcement('one'), Buffer.from('The system is going down NOW!\r\n'), announcement('one')];
    writeFileSync(log, Buffer.concat(goingDown));
    await (await listening(300)).waiting;
    const { waiting, isDone } = await listening(60_000);
    appendFileSync(log, 'Requesting system reboot\r\n[   29.1] reboot: Restarting system\r\n');
    expect(isDone()).toBe(false);
    appendFileSync(log, announcement('two'));
    await waiting;
  });

  it('gives up waiting in the end: something else may be there', async () => {
    writeFileSync(log, 'U-Boot 2025.01\n=> ');
    await (await listening(50)).waiting;
  });
});

describe('connectWhenListening', () => {
  it('says nothing between the end of a device and its return', async () => {
    writeFileSync(log, announcement('one'));
    const attempts: string[] = [];
    await connectWhenListening(log, { limitMs: 60_000, signal: new AbortController().signal }, async ({ signal }) => {
      attempts.push(readFileSync(log, 'latin1').includes('two') ? 'two' : 'one');
      if (attempts.at(-1) === 'two') return;
      appendFileSync(log, 'The system is going down NOW!\r\n');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      appendFileSync(log, announcement('two'));
      throw new Error('aborted');
    });
    expect(attempts).toEqual(['one', 'two']);
  });

  it('rejects as the attempt does while the device stays', async () => {
    writeFileSync(log, announcement('one'));
    const failing = connectWhenListening(log, { limitMs: 60_000, signal: new AbortController().signal }, () =>
      Promise.reject(new Error('no answer')),
    );
    await expect(failing).rejects.toThrow('no answer');
  });
});

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { boardFor, boards, hostArch } from './boards.ts';
import { probeKvm, runPayload } from './kvm-probe.ts';
import { hostBootId } from './process-identity.ts';

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  process.env.XDG_CACHE_HOME = cache;
});
afterEach(() => {
  delete process.env.XDG_CACHE_HOME;
  rmSync(cache, { recursive: true });
});

/** Command lines of this process's children. */
function children(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
        return parent === String(process.pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8')] : [];
      } catch {
        return [];
      }
    });
}

// The very guests of the probe, on an accelerator that works everywhere: had they a bug, KVM would look broken.
test.each(boards)('the payload for $name ends QEMU by itself', async (board) => {
  expect(await runPayload(board, { accel: 'tcg', cpu: 'max', limitMs: 15_000 })).toBe(true);
});

test('a guest that does not end is killed, and nothing is left', async () => {
  const stopped = await runPayload(boardFor('amd64'), { accel: 'tcg', cpu: 'max', limitMs: 1 });
  expect(stopped).toBe(false);
  expect(children().filter((line) => line.startsWith('qemu-'))).toEqual([]);
});

test('a missing or failing QEMU is a no', async () => {
  const missing = { ...boardFor('amd64'), program: 'qemu-system-none' };
  expect(await runPayload(missing, { accel: 'tcg', cpu: 'max', limitMs: 15_000 })).toBe(false);
  expect(await runPayload(boardFor('amd64'), { accel: 'none', cpu: 'max', limitMs: 15_000 })).toBe(false);
});

test('another architecture is never run by KVM', async () => {
  const other = boardFor(hostArch() === 'amd64' ? 'arm64' : 'amd64');
  expect(await probeKvm(other)).toBe(false);
});

test('the probe says what a guest under KVM showed, and leaves no process', async () => {
  const board = boardFor(hostArch());
  const usable = await probeKvm(board);
  expect(usable).toBe(await runPayload(board, { accel: 'kvm', cpu: 'host', limitMs: 3000 }));
  expect(children().filter((line) => line.startsWith('qemu-'))).toEqual([]);
});

test('an answer of an earlier boot is asked again', async () => {
  const board = boardFor(hostArch());
  const first = await probeKvm(board);
  const [file] = readdirSync(join(cache, 'gantry'));
  if (file === undefined) return; // no /dev/kvm on this host: nothing is kept
  const path = join(cache, 'gantry', file);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
    bootId: hostBootId(),
    program: board.program,
    usable: first,
  });
  writeFileSync(path, JSON.stringify({ bootId: 'another', program: board.program, usable: !first }));
  expect(await probeKvm(board)).toBe(first);
  writeFileSync(path, JSON.stringify({ bootId: hostBootId(), program: board.program, usable: !first }));
  expect(await probeKvm(board)).toBe(!first);
});

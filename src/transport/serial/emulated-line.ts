import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { lastAnnounced } from '../../shared/link/handshake.ts';

/** What a device prints last before it begins anew. */
const endPattern = /The system is going down NOW|reboot: Restarting system|Rebooting in \d+ seconds/g;
const windowBytes = 1 << 20;
const pollMs = 100;

/** How long a device may take: for `connect` it is told what is left for one attempt. Milliseconds. */
interface Patience {
  limitMs: number;
  signal: AbortSignal;
}

/**
 * Calls `connect` while the device at an emulator's line listens, as the emulator's record of the console tells: once it
 * goes down the attempt is aborted, and made again when it is back. QEMU's PL011 (arm64) loses its receive interrupt for
 * good when bytes reach it while the kernel's driver starts, so nothing may be sent on that line then. Where nobody
 * listens within `limitMs` it is tried all the same: something else may be there. Rejects as `connect` does.
 */
export async function connectWhenListening(
  consoleLog: string,
  { limitMs, signal }: Patience,
  connect: (patience: Patience) => Promise<void>,
): Promise<void> {
  const giveUpAt = performance.now() + 2 * limitMs;
  for (;;) {
    const isListening = await untilListening(consoleLog, { limitMs, signal });
    const ending = new AbortController();
    const attempt = AbortSignal.any([signal, ending.signal]);
    const watch = isListening ? untilEnding(consoleLog, attempt).then(() => ending.abort()) : undefined;
    try {
      await connect({ limitMs, signal: attempt });
      return;
    } catch (error) {
      if (!ending.signal.aborted || signal.aborted || performance.now() > giveUpAt) throw error;
    } finally {
      ending.abort();
      await watch;
    }
  }
}

/** Waits until somebody listens, at most `limitMs`. Resolves with whether somebody does. */
export async function untilListening(consoleLog: string, { limitMs, signal }: Patience): Promise<boolean> {
  const giveUpAt = performance.now() + limitMs;
  while (!signal.aborted && performance.now() < giveUpAt) {
    if (listens(await readEnd(consoleLog))) return true;
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

/** Resolves when who listened goes down, or when `signal` aborts. */
async function untilEnding(consoleLog: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && listens(await readEnd(consoleLog))) {
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * Whether what was printed last announces an agent of a boot that has not begun to end: one that is about to go announces
 * itself again when a host leaves it. `whole`: nothing came before `text`.
 */
function listens({ text, whole }: { text: string; whole: boolean }): boolean {
  const end = [...text.matchAll(endPattern)].at(-1);
  // Long ago and not in what was read: it has been used since.
  if (end === undefined) return lastAnnounced(text) !== undefined || !whole;
  const since = lastAnnounced(text.slice(end.index));
  return since !== undefined && since !== lastAnnounced(text.slice(0, end.index));
}

async function readEnd(path: string): Promise<{ text: string; whole: boolean }> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return { text: '', whole: true };
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - windowBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    return { text: buffer.toString('latin1', 0, bytesRead), whole: from === 0 };
  } finally {
    await file.close();
  }
}

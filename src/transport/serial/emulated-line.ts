import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BeginningFinder } from '../../shared/link/handshake.ts';
import type { TakeOptions } from './take-line.ts';

/** What a device prints last before it begins anew. */
const endPattern = /The system is going down NOW|reboot: Restarting system|Rebooting in \d+ seconds/g;
const windowBytes = 1 << 20;
const pollMs = 100;

/** What an emulator's line needs besides its socket; nothing for a real one. */
export function takeOptions(endpoint: { consoleLog?: string; monitor?: string }): TakeOptions {
  const { consoleLog, monitor } = endpoint;
  return {
    ...(consoleLog !== undefined && { consoleLog }),
    ...(monitor !== undefined && {
      emulatedBreak: async () => {
        const { monitorCommand, serialDevice } = await import('../../emulator/qmp.ts');
        await monitorCommand(monitor, 'chardev-send-break', { id: serialDevice });
      },
    }),
  };
}

/**
 * Waits until the device at an emulator's line listens, as the emulator's record of the console tells; at most
 * `limitMs`. QEMU's PL011 (arm64) loses its receive interrupt for good when bytes reach it while the kernel's driver
 * starts, so nothing may be sent on that line before.
 */
export async function untilListening(consoleLog: string, limitMs: number, signal: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + limitMs;
  while (!signal.aborted && performance.now() < giveUpAt) {
    if (listens(await readEnd(consoleLog))) return;
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Whether what was printed after the last sign of an end announces an agent. `whole`: nothing came before `text`. */
function listens({ text, whole }: { text: string; whole: boolean }): boolean {
  const end = [...text.matchAll(endPattern)].at(-1);
  const since = end === undefined ? text : text.slice(end.index + end[0].length);
  if (new BeginningFinder().push(Buffer.from(since, 'latin1')) === 'announced') return true;
  // Long ago and not in what was read: it has been used since.
  return end === undefined && !whole;
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

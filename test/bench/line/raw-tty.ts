import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { openTtyPort } from '../../../init-container/console/tty-port.ts';

/** A tty for bytes as they are, without a change of its speed. */
export async function rawTty(path: string): Promise<Duplex> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-tty-'));
  try {
    return (await openTtyPort(path, join(folder, 'speed'))).stream;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

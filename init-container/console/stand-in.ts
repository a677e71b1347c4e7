import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { devicePaths } from '../../src/shared/device-paths.ts';

const longestMs = 3_000;

/**
 * Ends what stood in at the console while no init container answered (boot/console-wait): two readers of one line would each
 * get half of what is typed. Resolves when it is gone, or after 3 s.
 */
export async function endStandIn(pidFile: string = join(devicePaths.run, 'console-wait.pid')): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!(pid > 1)) return;
  for (let waited = 0; waited < longestMs; waited += 50) {
    try {
      // Again and again: it may not be listening yet.
      process.kill(pid, 'SIGTERM');
    } catch {
      return;
    }
    await sleep(50);
  }
}

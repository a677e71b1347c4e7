import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { containerPaths } from './paths.ts';

/**
 * Asks a container's conmon to open its log file again (after a rename). False when conmon is not there. The FIFO is
 * opened non-blocking: without a reader a plain open would hang one of Node's few I/O threads for ever.
 */
export async function reopenLog(name: string): Promise<boolean> {
  try {
    const control = await open(containerPaths(name).control, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await control.write('2 0 0\n');
      return true;
    } finally {
      await control.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENXIO' || code === 'ENOENT') return false;
    throw error;
  }
}

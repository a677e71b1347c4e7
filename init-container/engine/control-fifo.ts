import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { containerPaths, instancesOf } from './paths.ts';

/** The containers of a component whose conmon is there: each of them writes the component's log. */
export async function writersOf(component: string): Promise<string[]> {
  const instances = instancesOf(component);
  const there = await Promise.all(instances.map((instance) => withControl(instance, async () => undefined)));
  return instances.filter((_, at) => there[at]);
}

/** Has the one that writes a component's log open it again; false when nobody writes it. */
export async function reopenLogOf(component: string): Promise<boolean> {
  const [writer] = await writersOf(component);
  return writer !== undefined && reopenLog(writer);
}

/** Asks a container's conmon to open its log file again (after a rename). False when conmon is not there. */
export function reopenLog(instance: string): Promise<boolean> {
  return withControl(instance, async (control) => void (await control.write('2 0 0\n')));
}

/**
 * False when nobody reads the FIFO. It is opened non-blocking: without a reader a plain open would hang one of Node's few
 * I/O threads for ever.
 */
async function withControl(instance: string, use: (control: FileHandle) => Promise<void>): Promise<boolean> {
  try {
    const control = await open(containerPaths(instance).control, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await use(control);
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

import { closeSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { setAppend, takeDescriptor } from '../native/sockets.ts';
import { readPidFile } from './exec-once.ts';
import { componentOf, containerPaths, logPath } from './paths.ts';

/**
 * Has the conmon of a running container write at its log's end. conmon does so by itself only until it has opened its log
 * anew after a rotation; a second writer's lines would then be written over. Nothing to do when it does not run.
 */
export async function appendToLog(instance: string): Promise<void> {
  const conmon = await readPidFile(containerPaths(instance).conmonPidFile);
  if (!conmon) return;
  const log = await stat(logPath(componentOf(instance))).catch(() => undefined);
  const descriptors = `/proc/${conmon.pid}/fd`;
  for (const descriptor of await readdir(descriptors).catch(() => [])) {
    const file = await stat(`${descriptors}/${descriptor}`).catch(() => undefined);
    if (!log || !file || file.ino !== log.ino || file.dev !== log.dev) continue;
    const fd = await takeDescriptor(conmon.pid, Number(descriptor));
    if (fd === undefined) continue;
    try {
      await setAppend(fd);
    } finally {
      closeSync(fd);
    }
  }
}

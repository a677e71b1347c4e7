import { type FSWatcher, watch } from 'node:fs';
import { devicePaths } from '../../src/shared/device-paths.ts';

/**
 * Calls back with a container's name whenever something happens to its exit file (conmon makes it by rename). A hint,
 * not a fact: the callee reads the file. Throws when the folder cannot be watched.
 */
export function watchExits(onChange: (name: string) => void): FSWatcher {
  const watcher = watch(devicePaths.exits, (_event, name) => {
    if (name !== null && !name.startsWith('.')) onChange(name);
  });
  return watcher;
}

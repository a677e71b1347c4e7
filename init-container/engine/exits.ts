import { type FSWatcher, readFileSync, rmSync, statSync, watch } from 'node:fs';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { containerPaths } from './paths.ts';

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

/** The exit code conmon left for the container's last run; undefined when it left none. */
export function readExitCode(instance: string): number | undefined {
  try {
    const code = Number.parseInt(readFileSync(containerPaths(instance).exit, 'utf8'), 10);
    return Number.isInteger(code) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Before a start: an exit file that is there later is that start's own. */
export function forgetExit(instance: string): void {
  rmSync(containerPaths(instance).exit, { force: true });
}

/** Whether the kernel ended the container's last run for want of memory. */
export function wasOomKilled(instance: string): boolean {
  return statSync(containerPaths(instance).oom, { throwIfNoEntry: false }) !== undefined;
}

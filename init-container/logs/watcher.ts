import { type FSWatcher, watch } from 'node:fs';

/** Watches a folder of logs while anyone follows one of them: one inotify watch for all followers. */
export class LogWatcher {
  readonly #folder: string;
  readonly #listeners = new Map<string, Set<() => void>>();
  #watcher: FSWatcher | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Calls back whenever the file with this name in the folder changes; returns how to stop. */
  subscribe(file: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(file) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(file, listeners);
    this.#watcher ??= watch(this.#folder, (_event, name) => {
      for (const callback of this.#listeners.get(name ?? '') ?? []) callback();
    });
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(file) === listeners) this.#listeners.delete(file);
      if (this.#listeners.size === 0) {
        this.#watcher?.close();
        this.#watcher = undefined;
      }
    };
  }
}

import { until } from '../../device/readings/until.ts';

/** State outside React: sources and keys write it, the screen reads it, and it outlives the screen while a shell has the terminal. */
export class Store<T> {
  private state: T;
  private readonly listeners = new Set<() => void>();

  constructor(initial: T) {
    this.state = initial;
  }

  get = (): T => this.state;

  /** Replaces part of the state; listeners hear of it at once. */
  set(change: Partial<T> | ((state: T) => Partial<T>)): void {
    this.state = { ...this.state, ...(typeof change === 'function' ? change(this.state) : change) };
    for (const listener of this.listeners) listener();
  }

  /** Calls back after each change; returns how to stop. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Resolves when `condition` holds, at once if it does; rejects when `signal` aborts. */
  until(condition: (state: T) => boolean, signal: AbortSignal): Promise<void> {
    return until(() => condition(this.state), this.subscribe, signal);
  }
}

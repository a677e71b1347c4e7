import type { EventEmitter } from 'node:events';
import type { ComponentStatus } from '../../src/shared/api/types.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';

/** Something that happened to a system container; served as a Docker event. */
export interface ContainerEvent {
  /** Docker's word: `create`, `start`, `die`, `stop`, `kill`, `restart`, `destroy`, `health_status: healthy`, … */
  action: string;
  component: string;
  /** Docker's container id, 64 hex digits. */
  id: string;
  /** As given by people: `web:1`. */
  image: string;
  /** Nanoseconds since the epoch. */
  timeNano: bigint;
  attributes: Record<string, string>;
}

export interface SupervisorEvents {
  event: [ContainerEvent];
}

export interface StopOptions {
  /** 0 = kill at once, -1 = wait forever; absent = the component's `stop_grace_period`, else 10. */
  timeoutSeconds?: number;
  /** Absent = the component's `stop_signal`, else the image's, else SIGTERM. */
  signal?: string;
}

/**
 * Runs the system containers. Kernel, base and init are known by name only: they are always `running` in `status()`, and
 * the methods that start or stop something reject for them.
 */
export interface Supervisor {
  /** Make this component what should run (does not stop or start anything by itself). */
  setSpec(name: string, spec: ComponentSpec): void;
  removeSpec(name: string): void;
  /** All components, kernel, base and init included, in the order of the OS definition. */
  status(): Promise<ComponentStatus[]>;

  /** A person's wishes: what was stopped by hand stays stopped, also over a restart of the init container. */
  start(name: string): Promise<void>;
  stop(name: string, options?: StopOptions): Promise<void>;
  restart(name: string, options?: StopOptions): Promise<void>;

  /** For the swap executor: like `stop`, without changing the person's wish. Resolves when the container has ended. */
  stopForSwap(name: string): Promise<void>;
  /**
   * Makes the container of a specification beside the one that runs and stops short of starting it, so that a following
   * `startForSwap` or `startBesideForSwap` with the same one takes less time. Changes nothing else, and may be left out.
   * Rejects when the container cannot be made: nothing has been stopped then. What was prepared and not started is cleared
   * away by `setSpec` with another specification or by `settleForSwap`.
   */
  prepareForSwap(name: string, spec: ComponentSpec): Promise<void>;
  /** Starts what `setSpec` said last, on a new writable layer. Resolves when the process was started. */
  startForSwap(name: string): Promise<void>;
  /**
   * Starts what `setSpec` said last in a second container while the old one goes on. `status()` then describes the new one
   * under this name, with `beside: true`, also after a restart of the init container. A start that fails leaves nothing of
   * the new one.
   */
  startBesideForSwap(name: string): Promise<void>;
  /** Ends one of the two; afterwards there is one. Does nothing when there is one only. */
  settleForSwap(name: string, keep: 'old' | 'new'): Promise<void>;
  /**
   * What a swap started is in force: it is wanted from now on, also when a person had stopped the one before. Does nothing
   * for what nobody had stopped.
   */
  keepForSwap(name: string): Promise<void>;
  /**
   * Resolves when the component is healthy: its health check passed, or, without one, it stayed up for 3 s (an
   * `onboot` or `onshutdown` component: it ended with 0). While there are two, the new one. Rejects with the reason: exit
   * code and last log lines, the last probe's output, or the deadline of `signal`.
   */
  waitHealthy(name: string, signal: AbortSignal): Promise<void>;

  events: EventEmitter<SupervisorEvents>;
}

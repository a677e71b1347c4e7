import type { EventEmitter } from 'node:events';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentKind } from '../../src/shared/definition/revision.ts';
import type { Component } from './component.ts';

/** The order in which a device comes up and goes down works on this. */
export interface Fleet {
  component(name: string): Component | undefined;
  /** Those that the current revision has, in its order. */
  ofKind(kind: ComponentKind): Component[];
  changes: EventEmitter<{ changed: [string] }>;
  shuttingDown(): boolean;
  /** Image defaults and definition merged, for a component that may have no container yet. */
  configOf(component: Component): Promise<ComponentConfig>;
  /** What people stopped in the boots before. */
  stopped: { has(name: string): boolean };
  reboot(reason: string): void;
  /** The boot stops until a person has done something; undefined: it goes on. */
  halted(halt: Halt | undefined): void;
}

/** Where and why the boot has stopped. */
export interface Halt {
  component: Component;
  /** For people. */
  reason: string;
}

/** Resolves when the condition holds; looks at each change. Rejects when `signal` aborts. */
export function until({ changes }: Fleet, condition: () => boolean, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      changes.off('changed', check);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const check = () => {
      if (condition()) finish(resolve);
    };
    const abort = () => finish(() => reject(new Error('given up')));
    if (signal?.aborted) return reject(new Error('given up'));
    changes.on('changed', check);
    signal?.addEventListener('abort', abort);
    check();
  });
}

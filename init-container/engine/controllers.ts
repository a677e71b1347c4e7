import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { cgroupRoot } from './paths.ts';

type Resources = NonNullable<ComponentConfig['resources']>;

/** The controller that carries out each kind of limit. Source: OCI Runtime Specification, "Control groups". */
const controllerOf: Record<string, string> = { memory: 'memory', cpu: 'cpu', pids: 'pids', blockIO: 'io' };

/** The controllers of this machine's cgroup v2: none where a distribution has given them to version 1. */
export async function availableControllers(): Promise<Set<string>> {
  const text = await readFile(join(cgroupRoot, 'cgroup.controllers'), 'utf8');
  return new Set(text.trim().split(' ').filter(Boolean));
}

/** The limits that can be kept, and the names of those that cannot: with these the runtime would refuse to start. */
export function keepableLimits(resources: Resources, controllers: Set<string>): { kept: Resources; lost: string[] } {
  const asked = Object.keys(resources).filter((name) => resources[name] !== undefined);
  const lost = asked.filter((name) => {
    const controller = controllerOf[name];
    return controller !== undefined && !controllers.has(controller);
  });
  return { kept: Object.fromEntries(Object.entries(resources).filter(([name]) => !lost.includes(name))), lost };
}

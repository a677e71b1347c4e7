import { join } from 'node:path';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { Engine } from '../engine/engine.ts';
import { StoppedByHand } from '../supervisor/stopped-by-hand.ts';
import { ContainerSupervisor, type SupervisorOptions } from '../supervisor/supervisor.ts';
import type { DeviceState } from './state.ts';

/** A supervisor that knows no component yet: see `tellRevision`. */
export async function openSupervisor(
  { store, volumes }: DeviceState,
  options: Omit<SupervisorOptions, 'stopped'>,
): Promise<ContainerSupervisor> {
  const stopped = await StoppedByHand.open(join(devicePaths.data, 'stopped.json'));
  return new ContainerSupervisor(new Engine(store, volumes), { ...options, stopped });
}

/** Tells it the revision in force. Nothing is started or stopped by that. */
export function tellRevision(supervisor: ContainerSupervisor, { revisions }: DeviceState): void {
  const { components } = revisions.current().revision;
  for (const [name, spec] of Object.entries(components)) supervisor.setSpec(name, spec);
}

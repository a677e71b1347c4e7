import { join } from 'node:path';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { Engine } from '../engine/engine.ts';
import { StoppedByHand } from '../supervisor/stopped-by-hand.ts';
import { ContainerSupervisor, type SupervisorOptions } from '../supervisor/supervisor.ts';
import type { DeviceState } from './state.ts';

/** A supervisor that knows the revision in force. Nothing is started or stopped yet. */
export async function openSupervisor(
  { store, volumes, revisions }: DeviceState,
  options: Omit<SupervisorOptions, 'stopped'>,
): Promise<ContainerSupervisor> {
  const stopped = await StoppedByHand.open(join(devicePaths.data, 'stopped.json'));
  const supervisor = new ContainerSupervisor(new Engine(store, volumes), { ...options, stopped });
  const { components } = revisions.current().revision;
  for (const [name, spec] of Object.entries(components)) supervisor.setSpec(name, spec);
  return supervisor;
}

import { journal } from '../native/journal.ts';
import type { ContainerSupervisor } from '../supervisor/supervisor.ts';
import type { Changing } from './changing.ts';

/** Starts what should run, and ends what a restart interrupted. Resolves when the onboot components have ended. */
export async function bringUp(
  supervisor: ContainerSupervisor,
  { parts, partsCheck, swaps, upgrades }: Changing,
): Promise<void> {
  const booted = supervisor.boot().then(async () => {
    await parts.slots?.noteHealthy().catch((error: unknown) => journal(`cannot note that this kernel works: ${error}`));
  });
  await Promise.all([booted, swaps.recover().then(() => supervisor.settleLeftPairs())]);
  await partsCheck.look();
  await upgrades.settle();
}

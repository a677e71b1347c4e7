import { setTimeout as delay } from 'node:timers/promises';
import { type Instance, isRunning, readInstance, removeInstance } from './instance.ts';

/** Resolves true when QEMU has ended, false when it still runs after `ms`. */
export async function untilEnded(instance: Instance, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while (isRunning(instance)) {
    if (performance.now() >= end) return false;
    await delay(20);
  }
  return true;
}

/**
 * Switches an emulator off and forgets it; its data disk stays, as after a power cut. Fine when it has ended already.
 */
export async function stopEmulator(instance: Instance): Promise<void> {
  signal(instance, 'SIGTERM');
  if (!(await untilEnded(instance, 5000))) {
    signal(instance, 'SIGKILL');
    if (!(await untilEnded(instance, 5000))) {
      throw new Error(`QEMU of "${instance.name}" (pid ${instance.pid}) does not end, not even when killed.`);
    }
  }
  // Another emulator of this name may have been started since.
  if (readInstance(instance.name)?.process === instance.process) removeInstance(instance.name);
}

function signal(instance: Instance, name: 'SIGTERM' | 'SIGKILL'): void {
  if (!isRunning(instance)) return;
  try {
    process.kill(instance.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

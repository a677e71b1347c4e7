import { readIfThere } from '../store/durable.ts';

/** What the running kernel says of kexec. */
const kexecFiles = {
  loaded: '/sys/kernel/kexec_loaded',
  disabled: '/proc/sys/kernel/kexec_load_disabled',
};

export interface SlotFacts {
  /** Whether the data outlive a power-off. */
  persistent: boolean;
  /** The slot that this system was started from, if any. */
  slot: string | undefined;
  /** `kexecFiles`, or files of a test. */
  files?: { loaded: string; disabled: string };
}

/**
 * Why nothing can be started from a slot on this device; undefined when it can as far as can be known. Whether firmware
 * lets the other processors be stopped, or lets a kernel without its signature start, only a trial shows; the kernel that
 * runs now starts again then.
 */
export async function whyNoSlots({ persistent, slot, files = kexecFiles }: SlotFacts): Promise<string | undefined> {
  if (!persistent)
    return 'this device has no data partition, which the new one would be started from. Add a partition with the label gantry-data, or build a new image';
  // It is the kernel of the image on the disk that must be able to, and it has just done it.
  if (slot !== undefined) return undefined;
  if ((await readIfThere(files.loaded)) === undefined)
    return 'its kernel was built without kexec, by which the new one would be started. Build a new image';
  if ((await readIfThere(files.disabled))?.trim() === '1')
    return 'kexec, by which the new one would be started, is switched off (kernel.kexec_load_disabled). Restart the device without that';
  return undefined;
}

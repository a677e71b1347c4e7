import { readFile } from 'node:fs/promises';
import type { Revision } from '../../src/shared/definition/revision.ts';
import type { ImageInfo } from '../../src/shared/device-paths.ts';
import { hostMounts } from '../native/host-command.ts';
import { runOnHost } from '../native/run.ts';
import { messageOf } from '../store/errors.ts';
import type { ImageStore } from '../store/types.ts';
import { BasePart } from './base-part.ts';
import { InitPart } from './init-part.ts';
import { KernelPart } from './kernel-part.ts';
import { Slots } from './slots.ts';
import type { PartChange, PartSwapper } from './types.ts';
import { whyNoSlots } from './why-no-slots.ts';

export interface Parts {
  swappers: Record<'init' | 'base' | 'kernel', PartSwapper>;
  /** Undefined where nothing can be started from a slot: Gantry on top of another system. */
  slots: Slots | undefined;
  /** Why nothing can be started from a slot; undefined when it can. */
  noSlots: string | undefined;
}

export interface PartsOptions {
  images: Pick<ImageStore, 'get'>;
  factory: Revision;
  image: ImageInfo;
  persistent: boolean;
  /** Resolves when this process does all that it is there for. */
  works: (signal: AbortSignal) => Promise<void>;
  /** For the device's log. */
  log: (message: string) => void;
}

/** Path of the device's own root as seen from the init container. */
export const deviceRoot = '/proc/1/root';

/** What can be swapped beside system containers, on this device. */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { images, factory, image, persistent, works } = options;
  // Set by the launcher: see boot/launcher.
  const running = process.env.GANTRY_INIT_IMAGE;
  const slots = await openSlots(options);
  const noSlots = await whyNoSlots({ persistent, slot: slots?.booted.slot });
  const unable =
    running === undefined
      ? 'this system was not started from an image of Gantry: its tools are not ours to replace'
      : undefined;
  const kernel =
    slots === undefined
      ? new NoKernel()
      : new KernelPart({
          images,
          factory,
          slots,
          unable: noSlots,
          bootModules: image.bootModules,
          root: deviceRoot,
          works,
        });
  return {
    swappers: {
      init: new InitPart({ images, factory, imageId: image.id, running, works }),
      base: new BasePart({
        images,
        factory,
        imageId: image.id,
        run: (argv) => runOnHost(argv, { timeoutMs: 60_000 }),
        mounts: () => readFile(hostMounts(), 'utf8'),
        unable,
      }),
      kernel,
    },
    slots,
    noSlots,
  };
}

async function openSlots({ log }: PartsOptions): Promise<Slots | undefined> {
  try {
    return new Slots(await readFile('/proc/cmdline', 'utf8'));
  } catch (error) {
    log(`kernels cannot be swapped here: ${messageOf(error)}`);
    return undefined;
  }
}

/** A kernel that is not ours. */
class NoKernel implements PartSwapper {
  canSwap(_change: PartChange): string {
    return 'this device was not started from an image of Gantry: its kernel is not ours to replace';
  }
  apply = (change: PartChange) => Promise.reject(new Error(this.canSwap(change)));
  verify = (change: PartChange) => Promise.reject(new Error(this.canSwap(change)));
  confirm = (change: PartChange) => Promise.reject(new Error(this.canSwap(change)));
  whyOther = async () => undefined;
  keepRunning = async () => undefined;
}

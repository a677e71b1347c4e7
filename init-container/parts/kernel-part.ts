import { copyFile, link, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { run } from '../native/run.ts';
import { exists } from '../store/durable.ts';
import type { ImageStore } from '../store/types.ts';
import { factoryName, nameOf } from './image-folders.ts';
import { makeInitramfs } from './make-initramfs.ts';
import type { Slots } from './slots.ts';
import type { Effect, PartChange, PartSwapper, Side } from './types.ts';

export interface KernelPartOptions {
  images: Pick<ImageStore, 'get'>;
  factory: Revision;
  slots: Slots;
  /** See `whyNoSlots`. */
  unable: string | undefined;
  /** Modules that find the root image: `ImageInfo.bootModules`. */
  bootModules: readonly string[];
  /** The device's own root, with busybox and the initramfs' script. */
  root: string;
  /** Resolves when the init container does all that it is there for. */
  works: (signal: AbortSignal) => Promise<void>;
}

/** Swaps the kernel and its modules: written to the slot not in use, started once, kept when it is found healthy. */
export class KernelPart implements PartSwapper {
  readonly #options: KernelPartOptions;

  constructor(options: KernelPartOptions) {
    this.#options = options;
  }

  canSwap(_change: PartChange): string | undefined {
    return this.#options.unable;
  }

  async apply(change: PartChange, side: Side): Promise<Effect> {
    const { slots } = this.#options;
    const content = this.#contentOf(change, side);
    if ((await slots.contentOf(slots.running)) === content) {
      // The new one may still be on trial; the old one is what a trial has fallen back to.
      if (side === 'old') await slots.keep(slots.running);
      return 'live';
    }
    if ((await slots.contentOf(await slots.current())) === content) {
      await slots.forgetTrial();
      return 'reboot';
    }
    const slot = (await slots.findWhole(content)) ?? (await this.#write(change, side));
    // The old one was found healthy before: it needs no trial.
    if (side === 'old') await slots.keep(slot);
    else await slots.try(slot);
    return 'reboot';
  }

  async verify(change: PartChange, side: Side, signal: AbortSignal): Promise<void> {
    const { slots } = this.#options;
    if ((await slots.contentOf(slots.running)) !== this.#contentOf(change, side)) {
      const failure = await slots.failure();
      const why = failure ? failure.words : 'the device started another one';
      throw new Error(`${change[side].image.ref} does not work as kernel: ${why}`);
    }
    await this.#options.works(signal);
  }

  async confirm(change: PartChange): Promise<void> {
    const { slots } = this.#options;
    if ((await slots.contentOf(slots.running)) !== this.#contentOf(change, 'new')) {
      throw new Error(`${change.new.image.ref} is not the kernel that runs`);
    }
    await slots.keep(slots.running);
  }

  async whyOther(spec: ComponentSpec): Promise<string | undefined> {
    const { slots } = this.#options;
    if ((await slots.contentOf(slots.running)) === this.#nameOf(spec)) return undefined;
    return (await slots.lost())?.words ?? 'the device started another one';
  }

  async keepRunning(): Promise<void> {
    const { slots } = this.#options;
    await slots.keep(slots.running);
  }

  /** What a slot with this kernel is known by: a kernel is made for one root image. */
  #nameOf(spec: ComponentSpec): string {
    const { slots, factory } = this.#options;
    const name = nameOf(spec, factory);
    return name === factoryName ? slots.ownContent : `${slots.booted.image}.${name}`;
  }

  #contentOf(change: PartChange, side: Side): string {
    return this.#nameOf(change[side]);
  }

  async #write(change: PartChange, side: Side): Promise<string> {
    const { images, slots, root, bootModules } = this.#options;
    const { image: wanted } = change[side];
    const { layers } = await images.get(wanted.digest);
    const [kernel, modules] = [await topmost(layers, 'kernel'), await topmost(layers, 'kernel.tar')];
    if (kernel === undefined || modules === undefined) {
      throw new Error(`${wanted.ref} is no kernel image: it needs /kernel and /kernel.tar`);
    }
    return slots.write(this.#contentOf(change, side), undefined, async (folder) => {
      await copyFile(kernel, join(folder, 'kernel'));
      await unpackModules(modules, folder);
      const initrd = await makeInitramfs({ root, bootModules, tree: join(folder, 'modules') });
      await writeFile(join(folder, 'initrd.img'), initrd);
      const image = slots.booted.slot === undefined ? undefined : join(slots.folder(slots.booted.slot), 'root.img');
      if (image !== undefined && (await exists(image))) await link(image, join(folder, 'root.img'));
    });
  }
}

async function topmost(layers: string[], name: string): Promise<string | undefined> {
  for (const layer of layers) if (await exists(join(layer, name))) return join(layer, name);
  return undefined;
}

/** LinuxKit has them below `lib/modules`, Debian's merged tree below `usr/lib/modules`. */
async function unpackModules(archive: string, folder: string): Promise<void> {
  const unpacked = join(folder, 'unpacked');
  await mkdir(unpacked);
  const { code, stderr } = await run(['busybox', 'tar', '-x', '-f', archive, '-C', unpacked]);
  if (code !== 0)
    throw new Error(`the modules of the new kernel cannot be unpacked: ${stderr.trim() || 'tar was killed'}`);
  for (const path of ['usr/lib/modules', 'lib/modules']) {
    if (await exists(join(unpacked, path))) await rename(join(unpacked, path), join(folder, 'modules'));
  }
  await rm(unpacked, { recursive: true, force: true });
}

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { exists, readIfThere, syncDirectory, syncFileSystem } from '../store/durable.ts';
import { type BootedAs, bootedAs, slotCommandLine } from './command-line.ts';
import { factoryName } from './image-folders.ts';
import { StateFolder } from './state-folder.ts';

const slotNames = ['a', 'b'] as const;

/** What the initramfs checks before it starts a slot. */
const checked = ['kernel', 'initrd.img', 'cmdline'];

/**
 * The slots of the data partition that a kernel, or a whole image, is started from: see boot/initramfs, which chooses.
 * What is in a slot is known by the id of its root image, followed by the digest of another kernel if it has one.
 */
export class Slots {
  readonly #state: StateFolder;
  readonly #cmdline: string;
  readonly booted: BootedAs;
  #filling = false;

  /** `cmdline`: of the running kernel. Throws when it was not started from an image. */
  constructor(cmdline: string, data: string = devicePaths.data) {
    const booted = bootedAs(cmdline);
    if (!booted) throw new Error("the kernel's command line does not say which image was started");
    this.booted = booted;
    this.#cmdline = cmdline;
    this.#state = new StateFolder(join(data, 'boot'));
  }

  folder(slot: string): string {
    return join(this.#state.path, slot);
  }

  /** The slot that is started at each boot, or `factory`. */
  async current(): Promise<string> {
    return (await this.#state.word('current')) ?? factoryName;
  }

  /** What runs now: a slot or `factory`. */
  get running(): string {
    return this.booted.slot ?? factoryName;
  }

  /** What the running root image itself is known by. */
  get ownContent(): string {
    return this.booted.image === this.booted.loader ? factoryName : this.booted.image;
  }

  /** What is in a slot; undefined when it is empty, or made for another image on the disk. */
  async contentOf(slot: string): Promise<string | undefined> {
    if (slot === factoryName) return factoryName;
    const folder = new StateFolder(this.folder(slot));
    return (await folder.word('loader')) === this.booted.loader ? folder.word('content') : undefined;
  }

  /** As `find`, if the initramfs would start it: a power cut may have left a part of what was being replaced. */
  async findWhole(content: string): Promise<string | undefined> {
    const slot = await this.find(content);
    if (slot === undefined || slot === factoryName) return slot;
    const sums = await readIfThere(join(this.folder(slot), 'sums')).catch(() => undefined);
    return sums !== undefined && sums === (await sumsOf(this.folder(slot)).catch(() => undefined)) ? slot : undefined;
  }

  /** The slot that the next write replaces; undefined when both are in use. */
  async spare(): Promise<string | undefined> {
    const inUse = [await this.current(), this.running];
    return slotNames.find((name) => !inUse.includes(name));
  }

  /** The slot that has it. */
  async find(content: string): Promise<string | undefined> {
    for (const slot of [factoryName, ...slotNames]) if ((await this.contentOf(slot)) === content) return slot;
    return undefined;
  }

  /** What is in slots that the next image will not overwrite. */
  async staying(): Promise<{ slot: string; content: string }[]> {
    const spare = await this.spare();
    const found: { slot: string; content: string }[] = [];
    for (const slot of slotNames) {
      const content = slot === spare ? undefined : await this.contentOf(slot);
      if (content !== undefined) found.push({ slot, content });
    }
    return found;
  }

  /** Digests of files of a slot by their names, as they were written. */
  async sums(slot: string): Promise<Map<string, Digest>> {
    const text = (await readIfThere(join(this.folder(slot), 'sums'))) ?? '';
    const lines = text.matchAll(/^([0-9a-f]{64}) {2}(\S+)$/gm);
    return new Map(Array.from(lines, ([, hex, name]) => [name ?? '', `sha256:${hex}`]));
  }

  /** Ids of all root images that this device can start. */
  async images(): Promise<string[]> {
    const contents = await Promise.all(slotNames.map((slot) => this.contentOf(slot)));
    const inSlots = contents.flatMap((content) => content?.split('.')[0] ?? []);
    return [...new Set([this.booted.loader, this.booted.image, ...inSlots])];
  }

  /** On trial now, or to be. */
  async onTrial(): Promise<string | undefined> {
    return (await this.#state.word('tried')) ?? this.#state.word('try');
  }

  /** Why the last trial failed: which slot, and what was said. */
  failure(): Promise<{ about: string; words: string } | undefined> {
    return this.#state.note('failed');
  }

  /** Which kept slot was left at a boot because it did not work, and why. */
  lost(): Promise<{ about: string; words: string } | undefined> {
    return this.#state.note('lost');
  }

  /**
   * Fills the slot that is not in use. `fill` writes `kernel`, `initrd.img`, and `root.img` and `modules/` if there are
   * such, into the folder it gets. The slot's name is the answer; until then, nothing would start it. `beside`: there is room for
   * what was in it until then, and it stays should the slot not be filled.
   */
  async write(
    content: string,
    cmdline: string | undefined,
    fill: (folder: string) => Promise<void>,
    { beside = false } = {},
  ): Promise<string> {
    if (this.#filling) throw new Error('another kernel or image is being written to this device just now');
    this.#filling = true;
    try {
      return await this.#write(content, cmdline, fill, beside);
    } finally {
      this.#filling = false;
    }
  }

  async #write(
    content: string,
    cmdline: string | undefined,
    fill: (folder: string) => Promise<void>,
    beside: boolean,
  ): Promise<string> {
    const slot = await this.spare();
    if (slot === undefined) throw new Error('both slots are in use: restart the device first');
    const folder = this.folder(slot);
    const temporary = `${folder}.new`;
    await rm(temporary, { recursive: true, force: true });
    if (!beside) await this.#empty(slot);
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    try {
      await fill(temporary);
      await writeFile(join(temporary, 'cmdline'), slotCommandLine(cmdline ?? this.#cmdline, slot, this.booted.loader));
      await writeFile(join(temporary, 'loader'), `${this.booted.loader}\n`);
      await writeFile(join(temporary, 'content'), `${content}\n`);
      await writeFile(join(temporary, 'sums'), await sumsOf(temporary));
      await syncFileSystem(temporary);
      if (beside) await this.#empty(slot);
      await rename(temporary, folder);
      await syncDirectory(this.#state.path);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    return slot;
  }

  /** Nothing is to go back to what was in it, nor to try it. */
  async #empty(slot: string): Promise<void> {
    if ((await this.#state.word('previous')) === slot) await this.#state.write('previous', factoryName);
    await this.#state.remove('try', 'tried');
    await rm(this.folder(slot), { recursive: true, force: true });
  }

  /** Has a slot (or `factory`) started once, at the next boot. */
  async try(slot: string): Promise<void> {
    await this.#state.remove('tried', 'failed');
    await this.#state.write('try', slot);
  }

  /** Ends a trial, and notes why it failed. */
  async giveUp(slot: string, why: string): Promise<void> {
    await this.#state.write('failed', `${slot}\n${why.replaceAll('\n', ' ')}`);
    await this.forgetTrial();
  }

  /** Nothing is on trial any more. */
  async forgetTrial(): Promise<void> {
    await this.#state.remove('try', 'tried');
  }

  /** What is started at each boot from now on. */
  async keep(slot: string): Promise<void> {
    const current = await this.current();
    if (slot !== current) {
      await this.#state.write('previous', current);
      await this.#state.write('current', slot);
    }
    await this.#state.remove('try', 'tried', 'failed', 'lost', 'starts');
  }

  /** The current one works: its starts so far are not counted against it. */
  async noteHealthy(): Promise<void> {
    if (await exists(join(this.#state.path, 'starts'))) await this.#state.remove('starts');
  }
}

async function sumsOf(folder: string): Promise<string> {
  const sums: string[] = [];
  for (const name of checked) sums.push(`${await sha256Of(join(folder, name))}  ${name}\n`);
  return sums.join('');
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

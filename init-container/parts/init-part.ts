import { join } from 'node:path';
import { initStartScript } from '../../src/shared/boot/init-start.ts';
import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { ImageStore } from '../store/types.ts';
import { factoryName, keepImageFolders, nameOf, writeImageFolder } from './image-folders.ts';
import { StateFolder } from './state-folder.ts';
import type { Effect, PartChange, PartSwapper, Side } from './types.ts';

export interface InitPartOptions {
  images: Pick<ImageStore, 'get'>;
  /** The factory revision. */
  factory: Revision;
  /** Of the root image: what was swapped in belongs to it. */
  imageId: string;
  /** What this process was started as, by the launcher; undefined when it was not started by one. */
  running: string | undefined;
  /** Resolves when this process does all that it is there for. */
  works: (signal: AbortSignal) => Promise<void>;
  /** `devicePaths.data`, or a folder of a test. */
  data?: string;
}

/**
 * Swaps the init container: it notes on the disk what the launcher starts next. The launcher (see boot/launcher) gives a
 * new one a limited time to work, and starts the one before when it does not.
 */
export class InitPart implements PartSwapper {
  readonly #options: InitPartOptions;
  readonly #state: StateFolder;

  constructor(options: InitPartOptions) {
    this.#options = options;
    this.#state = new StateFolder(join(options.data ?? devicePaths.data, 'init', options.imageId));
  }

  canSwap(_change: PartChange): string | undefined {
    if (this.#options.running !== undefined) return undefined;
    return 'this init container was not started by a launcher that could start another one in its place';
  }

  async apply(change: PartChange, side: Side): Promise<Effect> {
    const name = this.#name(change, side);
    const [current, previous] = await this.#kept();
    if (name === current) {
      await this.#state.remove('trial', 'tried');
      return this.#options.running === name ? 'live' : 'restart-init';
    }
    // On trial in this very process.
    if (side === 'new' && name === this.#options.running) return 'live';
    if (name !== factoryName) await this.#writeFolder(change, side, name);
    if (side === 'old' && (name === this.#options.running || name === previous)) {
      // It has been found healthy before: it needs no trial to become the current one again.
      await this.#keep(name, current);
      return this.#options.running === name ? 'live' : 'restart-init';
    }
    await this.#state.remove('failed', 'tried');
    await this.#state.write('trial', name);
    return 'restart-init';
  }

  async verify(change: PartChange, side: Side, signal: AbortSignal): Promise<void> {
    const name = this.#name(change, side);
    if (this.#options.running !== name) {
      const failed = await this.#state.note('failed');
      const why = failed?.about === name ? failed.words : `the launcher started ${this.#options.running} instead`;
      throw new Error(`${change[side].image.ref} does not work as init container: ${why}`);
    }
    await this.#options.works(signal);
  }

  async confirm(change: PartChange): Promise<void> {
    const [current] = await this.#kept();
    await this.#keep(this.#name(change, 'new'), current);
  }

  async whyOther(spec: ComponentSpec): Promise<string | undefined> {
    const { running, factory } = this.#options;
    const name = nameOf(spec, factory);
    if (running === undefined || running === name) return undefined;
    const lost = await this.#state.note('lost');
    return lost?.about === name ? lost.words : 'the launcher started another one';
  }

  /** What it is to be the successor of did not work: the one before this is the root image's own then. */
  async keepRunning(): Promise<void> {
    const { running } = this.#options;
    if (running === undefined) return;
    await this.#state.write('current', running);
    await this.#state.write('previous', factoryName);
    await this.#state.remove('trial', 'tried', 'failed', 'lost');
    await keepImageFolders(this.#images, [running]);
  }

  #name(change: PartChange, side: Side): string {
    return nameOf(change[side], this.#options.factory);
  }

  async #kept(): Promise<[current: string, previous: string | undefined]> {
    return [(await this.#state.word('current')) ?? factoryName, await this.#state.word('previous')];
  }

  /** In this order: at no moment is there a current one that was not found healthy. */
  async #keep(name: string, before: string): Promise<void> {
    if (name !== before) {
      await this.#state.write('previous', before);
      await this.#state.write('current', name);
    }
    await this.#state.remove('trial', 'tried', 'failed', 'lost');
    await keepImageFolders(this.#images, [name, await this.#state.word('previous')]);
  }

  get #images(): string {
    return join(this.#state.path, 'images');
  }

  async #writeFolder(change: PartChange, side: Side, name: string): Promise<void> {
    const { image } = change[side];
    const { config, layers } = await this.#options.images.get(image.digest);
    if ((config.config?.Entrypoint ?? []).length === 0) throw new Error(`${image.ref} does not say what to start`);
    await writeImageFolder(join(this.#images, name), [
      { name: 'lower', text: layers.join(':'), mode: 0o600 },
      { name: 'start', text: initStartScript(config), mode: 0o700 },
    ]);
  }
}

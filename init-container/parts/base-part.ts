import { join } from 'node:path';
import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { RunResult } from '../native/run.ts';
import { exists } from '../store/durable.ts';
import type { ImageStore } from '../store/types.ts';
import { factoryName, keepImageFolders, nameOf, writeImageFolder } from './image-folders.ts';
import { StateFolder } from './state-folder.ts';
import type { Effect, PartChange, PartSwapper, Side } from './types.ts';

export interface BasePartOptions {
  images: Pick<ImageStore, 'get'>;
  factory: Revision;
  /** Of the root image: what was swapped in belongs to it. */
  imageId: string;
  /** Runs a command in the device's mount namespace to its end. */
  run: (argv: string[]) => Promise<Pick<RunResult, 'code' | 'stderr'>>;
  /** What is mounted there, as /proc/PID/mountinfo says it. */
  mounts: () => Promise<string>;
  /** Why the tools of this device cannot be replaced; undefined when they can. */
  unable?: string | undefined;
  /** `devicePaths`, or folders of a test. */
  paths?: { data: string; run: string };
}

/**
 * Swaps the base system's tools: those of the new image are laid over /usr, at once and at each boot (see boot/use-base).
 * PID 1, the initramfs and /etc stay those of the root image.
 */
export class BasePart implements PartSwapper {
  readonly #options: BasePartOptions;
  readonly #paths: { data: string; run: string };
  readonly #state: StateFolder;
  /** What `use-base` did in this boot. */
  readonly #notes: StateFolder;
  /** Why the tools that were asked for last are not in force: their own fault, so `verify` says it. */
  #unusable: string | undefined;

  constructor(options: BasePartOptions) {
    this.#options = options;
    this.#paths = options.paths ?? devicePaths;
    this.#state = new StateFolder(join(this.#paths.data, 'base', options.imageId));
    this.#notes = new StateFolder(join(this.#paths.run, 'base'));
  }

  canSwap({ name, old }: PartChange): string | undefined {
    if (this.#options.unable !== undefined) return this.#options.unable;
    const bases = Object.values(this.#options.factory.components).filter(({ kind }) => kind === old.kind);
    if (bases.length === 1) return undefined;
    return `${name} is one of ${bases.length} images that make up the base of this device; only a single one can be swapped`;
  }

  async apply(change: PartChange, side: Side): Promise<Effect> {
    const name = nameOf(change[side], this.#options.factory);
    if (name !== factoryName) await this.#writeFolder(change, side, name);
    await this.#use(name);
    if (side === 'old') await this.#keep(name);
    return 'live';
  }

  async verify(change: PartChange, side: Side): Promise<void> {
    if (this.#unusable !== undefined) throw new Error(`${change[side].image.ref} does not work: ${this.#unusable}`);
    // They are what every container is started with.
    for (const tool of [
      ['crun', '--version'],
      ['conmon', '--version'],
      ['busybox', 'true'],
    ]) {
      const { code, stderr } = await this.#options.run(tool);
      if (code !== 0) throw new Error(`${tool[0]} of ${change[side].image.ref} does not run: ${stderr.trim()}`);
    }
  }

  async confirm(change: PartChange): Promise<void> {
    await this.#keep(nameOf(change.new, this.#options.factory));
  }

  async whyOther(spec: ComponentSpec): Promise<string | undefined> {
    if (this.#options.unable !== undefined) return undefined;
    const name = nameOf(spec, this.#options.factory);
    if ((await this.#inForce()) === name) return undefined;
    const failed = await this.#notes.note('failed');
    return failed?.about === name ? failed.words : 'its tools are not laid over /usr';
  }

  async keepRunning(): Promise<void> {
    await this.#keep(await this.#inForce());
  }

  /** The one whose tools are laid over /usr. */
  async #inForce(): Promise<string> {
    const places = (await this.#options.mounts()).split('\n').map((line) => line.split(' ')[4] ?? '');
    const own = `${this.#notes.path}/`;
    const folder = places.find((place) => place.startsWith(own) && place !== `${own}${factoryName}`);
    return places.includes('/usr') && folder !== undefined ? folder.slice(own.length).replace(/\/.*/, '') : factoryName;
  }

  async #keep(name: string): Promise<void> {
    await this.#state.write('current', name);
    await keepImageFolders(join(this.#state.path, 'images'), [name]);
  }

  async #writeFolder(change: PartChange, side: Side, name: string): Promise<void> {
    const { image } = change[side];
    const { layers } = await this.#options.images.get(image.digest);
    const lower: string[] = [];
    for (const layer of layers) if (await exists(join(layer, 'usr'))) lower.push(join(layer, 'usr'));
    if (lower.length === 0) throw new Error(`${image.ref} has no /usr: it is no base component`);
    await writeImageFolder(join(this.#state.path, 'images', name), [
      { name: 'lower', text: lower.join(':'), mode: 0o600 },
    ]);
  }

  /** The root image's own tools do it: those that are being replaced may not run. */
  async #use(name: string): Promise<void> {
    const own = join(this.#notes.path, factoryName);
    const shell = (await exists(own))
      ? [`${own}/bin/busybox`, 'sh', `${own}/lib/gantry/use-base`]
      : ['/usr/lib/gantry/use-base'];
    const result = await this.#options.run([...shell, name]);
    this.#unusable = result.code === 0 ? undefined : result.stderr.trim() || 'its tools could not be laid over /usr';
  }
}

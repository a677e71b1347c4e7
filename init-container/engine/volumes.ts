import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { boundVolumes, parseBind } from '../../src/shared/definition/bind.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec, Persistence, Revision } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { hexOf } from '../../src/shared/oci/digest.ts';
import { exists } from '../store/durable.ts';
import { specKey } from './record.ts';
import { copyFolder, folderInRoot, formerOf, mustFit, removeFolder, restoreFormer } from './volume-copy.ts';

export interface VolumesOptions {
  /** The revision in force: it declares the volumes. */
  revision: () => Revision;
  /** The configuration a component would be started with; rejects when its image is not there. */
  configFor: (spec: ComponentSpec) => Promise<ComponentConfig>;
  /** `devicePaths`, or folders of a test. */
  paths?: { data: string; run: string };
}

/** A volume of a revision and the folder in which its data is. */
export interface VolumeFolder {
  name: string;
  persistence: Persistence;
  folder: string;
  /** The components that bind it. */
  users: string[];
}

/**
 * The volumes that components bind, and where they are. A `permanent` one is a folder of the data partition, a `boot` one
 * of /run. A `revision` one has a folder for each state (image and configuration) of the component that binds it, so that
 * a rollback to the same state finds its data again, as it was; only one component may bind it, because a swap of one
 * would pull the data from under the other. An undeclared volume, which only an image's own configuration can bind, is
 * permanent, as Docker's named ones.
 */
export class Volumes {
  readonly #options: Required<VolumesOptions>;
  /** Two components that start together may bind the same new volume. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: VolumesOptions) {
    this.#options = { paths: devicePaths, ...options };
  }

  /** All volumes of a revision with their folders, by name. Those that only an image binds are missing without that image. */
  async volumeFolders(revision = this.#options.revision()): Promise<VolumeFolder[]> {
    const users = await this.#usersOf(revision);
    return [...users]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, names]): VolumeFolder[] => {
        const persistence = persistenceOf(name, revision);
        if (persistence !== 'revision')
          return [{ name, persistence, folder: this.#folder(name, persistence), users: names }];
        return names.flatMap((user) => {
          const spec = revision.components[user];
          return spec ? [{ name, persistence, folder: this.#folder(name, persistence, spec), users: [user] }] : [];
        });
      });
  }

  /**
   * The folders in which data of the revision's `revision` volumes can be: those that garbage collection keeps. Also those
   * of components that bind none of it, because what binds a volume may be an image that is missing now; they do not exist.
   */
  keptFolders(revision: Revision): string[] {
    const names = Object.keys(revision.volumes ?? {}).filter((name) => persistenceOf(name, revision) === 'revision');
    const specs = Object.values(revision.components);
    return names.flatMap((name) => specs.map((spec) => this.#folder(name, 'revision', spec)));
  }

  /**
   * The folders of the volumes that a container is about to bind, by name. A new one gets what the image has at its
   * place, with the owner and mode of it; else it is empty and root's. `config`: the component's, merged. `rootfs`: the
   * container's root; it must not run.
   */
  prepareVolumes(spec: ComponentSpec, config: ComponentConfig, rootfs: string): Promise<Map<string, string>> {
    const binds = (config.binds ?? []).map(parseBind).filter(({ volume }) => volume);
    if (binds.length === 0) return Promise.resolve(new Map());
    return this.#alone(async () => {
      const folders = new Map<string, string>();
      for (const { source: name, destination } of binds) {
        const persistence = persistenceOf(name, this.#options.revision());
        if (persistence === 'revision') await this.#mustHaveOneUser(name);
        const folder = this.#folder(name, persistence, spec);
        if (!(await exists(folder))) {
          await copyFolder(await folderInRoot(rootfs, destination), folder).catch((error: Error) => {
            throw new Error(`the volume "${name}" cannot be made: ${error.message}`, { cause: error });
          });
        }
        folders.set(name, folder);
      }
      return folders;
    });
  }

  /**
   * Gives the `revision` volume of this name its data in the revision `to`; for a swap, when nothing that binds it runs.
   * `fresh`: what an earlier run of `to` left is replaced by a copy of the data of `from`, and set aside until
   * `settleCopies`. Else (a rollback) it is kept, and only what is not there is copied. Rejects when there is no room; nothing is changed then.
   */
  copyRevisionVolume(name: string, from: Revision, to: Revision, { fresh }: { fresh: boolean }): Promise<void> {
    return this.#alone(async () => {
      const copy = (await this.#copies(from, to)).find((volume) => volume.name === name);
      if (!copy || (!fresh && (await exists(copy.target)))) return;
      await copyFolder(copy.source, copy.target).catch((error: Error) => {
        throw new Error(`the volume "${name}" cannot be copied for the new revision: ${error.message}`, {
          cause: error,
        });
      });
    });
  }

  /** Rejects with a sentence when what `copyRevisionVolume` would copy does not fit: before anything stops for it. */
  async mustFit(from: Revision, to: Revision, { fresh }: { fresh: boolean }): Promise<void> {
    const needed: { name: string; source: string; target: string }[] = [];
    for (const copy of await this.#copies(from, to)) if (fresh || !(await exists(copy.target))) needed.push(copy);
    const [first] = needed;
    if (!first) return;
    await mustFit(
      needed.map(({ source }) => source),
      first.target,
    ).catch((error: Error) => {
      const names = `the volume${needed.length > 1 ? 's' : ''} ${needed.map(({ name }) => `"${name}"`).join(', ')}`;
      throw new Error(`${names} cannot be copied for the new revision: ${error.message}`);
    });
  }

  /**
   * To be called when no swap is under way (any more): data that a copy has replaced come back, unless that copy is what
   * the revision in force goes on with. So a swap to what ran once before costs that one's data only when it succeeds.
   */
  settleCopies(inForce = this.#options.revision()): Promise<void> {
    return this.#alone(async () => {
      const kept = new Set(this.keptFolders(inForce));
      const root = join(this.#options.paths.data, 'volumes', 'revision');
      for (const name of await namesIn(root)) {
        for (const entry of await namesIn(join(root, name))) {
          const target = join(root, name, entry.replace(/\.former$/, ''));
          if (formerOf(target) !== join(root, name, entry)) continue;
          if (kept.has(target) && (await exists(target))) await removeFolder(formerOf(target));
          else await restoreFormer(target);
        }
      }
    });
  }

  async #copies(from: Revision, to: Revision) {
    const sources = new Map((await this.volumeFolders(from)).map(({ name, folder }) => [name, folder]));
    const copies: { name: string; source: string; target: string }[] = [];
    for (const { name, persistence, folder: target } of await this.volumeFolders(to)) {
      const source = sources.get(name);
      if (persistence !== 'revision' || source === undefined || source === target || !(await exists(source))) continue;
      copies.push({ name, source, target });
    }
    return copies;
  }

  async #usersOf(revision: Revision): Promise<Map<string, string[]>> {
    const users = new Map<string, string[]>(Object.keys(revision.volumes ?? {}).map((name) => [name, []]));
    for (const [name, spec] of Object.entries(revision.components).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      // Without its image it cannot run; what its definition says is then all there is.
      const config = await this.#options.configFor(spec).catch(() => spec.config);
      for (const volume of boundVolumes(config.binds)) users.set(volume, [...(users.get(volume) ?? []), name]);
    }
    return users;
  }

  async #mustHaveOneUser(name: string): Promise<void> {
    const users = (await this.#usersOf(this.#options.revision())).get(name) ?? [];
    if (users.length < 2) return;
    const words = `${users.join(' and ')} bind the volume "${name}", which belongs to a revision`;
    throw new Error(`${words}: only one component may; give each its own, or make it permanent`);
  }

  #folder(name: string, persistence: Persistence, spec?: ComponentSpec): string {
    const { data, run } = this.#options.paths;
    if (persistence === 'boot') return join(run, 'volumes', name);
    const folder = join(data, 'volumes', persistence, name);
    return persistence === 'revision' && spec ? join(folder, hexOf(specKey(spec))) : folder;
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

const persistenceOf = (name: string, revision: Revision): Persistence =>
  revision.volumes?.[name]?.persistence ?? 'permanent';

async function namesIn(folder: string): Promise<string[]> {
  return (await exists(folder)) ? readdir(folder) : [];
}

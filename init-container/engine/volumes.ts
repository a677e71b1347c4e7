import { join } from 'node:path';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec, Persistence, Revision } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import { exists } from '../store/durable.ts';
import { parseBind } from './binds.ts';
import { specKey } from './record.ts';
import { copyFolder, folderBytes, folderInRoot } from './volume-copy.ts';

export interface VolumesOptions {
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
 * of /run. A `revision` one has a folder for each state of the components that bind it (image and configuration), so that
 * a rollback to the same state finds its data again, as it was. An undeclared volume, which only an image's own
 * configuration can bind, is permanent, as Docker's named ones.
 */
export class Volumes {
  readonly #configFor: VolumesOptions['configFor'];
  readonly #paths: { data: string; run: string };
  #revision: Revision = { schema: 1, components: {} };
  /** Two components that start together may bind the same new volume. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ configFor, paths = devicePaths }: VolumesOptions) {
    this.#configFor = configFor;
    this.#paths = paths;
  }

  /** Containers that start from now on belong to this revision. */
  use(revision: Revision): void {
    this.#revision = revision;
  }

  /** All volumes of a revision with their folders, by name; those that garbage collection keeps. */
  async volumeFolders(revision: Revision = this.#revision): Promise<VolumeFolder[]> {
    const users = new Map<string, string[]>(Object.keys(revision.volumes ?? {}).map((name) => [name, []]));
    for (const [name, spec] of Object.entries(revision.components)) {
      // Without its image it cannot run; what its definition says is then all there is.
      const config = await this.#configFor(spec).catch(() => spec.config);
      for (const volume of volumesIn(config)) users.set(volume, [...(users.get(volume) ?? []), name]);
    }
    return [...users]
      .map(([name, names]) => this.#folderOf(name, revision, names.toSorted()))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * The folders of the volumes that a container is about to bind, by name. A new one gets what the image has at its
   * place, with the owner and mode of it; else it is empty and root's. `rootfs`: the container's root; it must not run.
   */
  prepareVolumes(config: ComponentConfig, rootfs: string): Promise<Map<string, string>> {
    const binds = (config.binds ?? []).map(parseBind).filter(({ volume }) => volume);
    if (binds.length === 0) return Promise.resolve(new Map());
    return this.#alone(async () => {
      const folders = new Map((await this.volumeFolders()).map(({ name, folder }) => [name, folder]));
      const found = new Map<string, string>();
      for (const { source: name, destination } of binds) {
        const folder = folders.get(name);
        if (folder === undefined) throw new Error(`the volume "${name}" belongs to another revision`);
        if (!(await exists(folder))) {
          await copyFolder(await folderInRoot(rootfs, destination), folder).catch((error: Error) => {
            throw new Error(`the volume "${name}" cannot be made: ${error.message}`, { cause: error });
          });
        }
        found.set(name, folder);
      }
      return found;
    });
  }

  /**
   * Gives the `revision` volume of this name its data in the revision `to`; for a swap, when nothing that binds it runs.
   * `fresh`: what an earlier run of `to` left is replaced by a copy of the data of `from`. Else (a rollback) it is kept,
   * and only what is not there is copied. Rejects when there is no room; nothing is changed then.
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

  /** What `copyRevisionVolume` would copy between two revisions, so that a swap can see beforehand whether it fits. */
  async revisionCopies(from: Revision, to: Revision): Promise<{ name: string; users: string[]; bytes: number }[]> {
    const copies = await this.#copies(from, to);
    return Promise.all(
      copies.map(async ({ name, users, source }) => ({ name, users, bytes: await folderBytes(source) })),
    );
  }

  async #copies(from: Revision, to: Revision) {
    const sources = new Map((await this.volumeFolders(from)).map(({ name, folder }) => [name, folder]));
    const copies: { name: string; users: string[]; source: string; target: string }[] = [];
    for (const { name, persistence, folder: target, users } of await this.volumeFolders(to)) {
      const source = sources.get(name);
      if (persistence !== 'revision' || source === undefined || source === target || !(await exists(source))) continue;
      copies.push({ name, users, source, target });
    }
    return copies;
  }

  #folderOf(name: string, revision: Revision, users: string[]): VolumeFolder {
    const persistence = revision.volumes?.[name]?.persistence ?? 'permanent';
    const base = persistence === 'boot' ? this.#paths.run : this.#paths.data;
    const folder = persistence === 'boot' ? join(base, 'volumes', name) : join(base, 'volumes', persistence, name);
    if (persistence !== 'revision') return { name, persistence, folder, users };
    const specs = Object.entries(revision.components).filter(([component]) => users.includes(component));
    const key = digestOf(canonicalJson(Object.fromEntries(specs.map(([user, spec]) => [user, specKey(spec)]))));
    return { name, persistence, folder: join(folder, hexOf(key)), users };
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function volumesIn(config: ComponentConfig): Set<string> {
  const volumes = new Set<string>();
  for (const bind of config.binds ?? []) {
    try {
      const { source, volume } = parseBind(bind);
      if (volume) volumes.add(source);
    } catch {
      // Its start says what is wrong with it.
    }
  }
  return volumes;
}

import { readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { type Revision, revisionSchema } from '../../src/shared/definition/revision.ts';
import { hexOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import type { Revisions } from '../revisions/types.ts';
import { diskUsage } from './disk-usage.ts';
import type { Inventory, Needs, StoredRevision } from './garbage.ts';
import type { LayerStore } from './image-store.ts';

export interface InventoryOptions {
  store: LayerStore;
  revisions: Revisions;
  /** The data folder. */
  data: string;
  /** Of the root image that runs. */
  imageId: string;
  /** Ids of the root images that the device can start; undefined when that is not known. */
  startableImages: () => Promise<readonly string[] | undefined>;
  /**
   * The folders in which data of a revision's volumes can be, each right below `volumes/revision/NAME` of the data folder.
   * Without, no data of volumes is ever removed.
   */
  volumeFolders?: (revision: Revision) => readonly string[];
}

/** Reads what there is on the data folder, and how large it is. */
export class InventoryReader {
  readonly #options: InventoryOptions;
  /** Layers never change: their sizes are read once. */
  readonly #layerBytes = new Map<string, number>();

  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  async read(needs: Needs): Promise<Inventory> {
    const { data, imageId, store } = this.#options;
    const revisions = this.#revisions();
    const images = await store.known([...needs.images, ...revisions.flatMap((revision) => revision.images)]);
    const inFolder = (folder: string) => sizes(join(data, folder), (path) => diskUsage(path));
    const contents = await inFolder(join('revisions', imageId));
    return {
      revisions,
      images,
      layers: await sizes(join(data, 'layers'), (path, name) => this.#layerSize(path, name)),
      documents: await inFolder('blobs'),
      volumes: await this.#volumes(),
      uploads: await inFolder('uploads'),
      contents: new Map([...contents].map(([file, bytes]) => [file.replace(/\.json$/, ''), bytes])),
    };
  }

  /** The revisions of other root images; `startable`: whether the device may go back to that one. */
  async revisionsOfOthers(): Promise<{ revision: Revision; startable: boolean }[]> {
    const { data, imageId, startableImages } = this.#options;
    const startable = await startableImages();
    const found: { revision: Revision; startable: boolean }[] = [];
    for (const id of await namesIn(join(data, 'revisions'))) {
      if (id === imageId) continue;
      for (const file of await namesIn(join(data, 'revisions', id))) {
        if (!/^[0-9a-f]{64}\.json$/.test(file)) continue;
        const text = await readFile(join(data, 'revisions', id, file), 'utf8').catch(() => '');
        const revision = parsedRevision(text);
        if (revision) found.push({ revision, startable: startable?.includes(id) ?? true });
      }
    }
    return found;
  }

  volumesOf(revision: Revision): string[] {
    const { data, volumeFolders } = this.#options;
    return (volumeFolders?.(revision) ?? []).map((folder) => relative(data, resolve(data, folder)));
  }

  #revisions(): StoredRevision[] {
    const { revisions } = this.#options;
    const stored: StoredRevision[] = [];
    for (const { number } of revisions.list().revisions) {
      const found = number === 0 ? undefined : revisions.get(number);
      if (!found) continue;
      const { revision, digest } = found;
      const committed = revisions.committed().includes(number);
      const volumes = this.volumesOf(revision);
      stored.push({ number, images: imagesOf(revision), volumes, content: hexOf(digest), committed });
    }
    return stored;
  }

  async #volumes(): Promise<Map<string, number>> {
    const { data, volumeFolders } = this.#options;
    const found = new Map<string, number>();
    if (!volumeFolders) return found;
    for (const name of await namesIn(join(data, 'volumes/revision'))) {
      const folder = join('volumes/revision', name);
      const keys = await sizes(join(data, folder), (path) => diskUsage(path));
      // What a swap has set aside comes back at the next start, should it still be there.
      for (const [key, bytes] of keys) if (!key.endsWith('.former')) found.set(join(folder, key), bytes);
    }
    return found;
  }

  async #layerSize(path: string, name: string): Promise<number> {
    const bytes = this.#layerBytes.get(name) ?? (await diskUsage(path));
    this.#layerBytes.set(name, bytes);
    return bytes;
  }
}

export function imagesOf(revision: Revision | undefined): Digest[] {
  return Object.values(revision?.components ?? {}).map(({ image }) => image.digest);
}

/** Undefined for what is damaged: that is found out when its image runs again. */
function parsedRevision(text: string): Revision | undefined {
  try {
    return revisionSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
}

async function sizes(
  folder: string,
  size: (path: string, name: string) => Promise<number>,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const name of await namesIn(folder)) found.set(name, await size(join(folder, name), name));
  return found;
}

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { Arch, Digest } from '../../src/shared/oci/types.ts';
import { DocumentFiles } from './document-files.ts';
import { ensureFolder } from './durable.ts';
import { LayerStore } from './image-store.ts';
import { LayerFolders } from './layer-folders.ts';
import { LayerRecipes } from './layer-recipes.ts';
import { LayerSeals } from './layer-seals.ts';
import { References } from './references.ts';

export interface StoreOptions {
  /** `devicePaths`, or folders of a test. */
  paths?: { factoryLayers: string; factoryBlobs: string; factoryRecipes: string; data: string };
  /** What this device runs; by default what this process does. */
  arch?: Arch;
  /** Where it is noted which layers were read and found whole in this boot; only this process knows without. */
  checkedNote?: string;
  /** The images of the factory revision. */
  factoryImages: readonly { ref: string; digest: Digest }[];
  /** For the device's log. */
  log: (message: string) => void;
}

/**
 * Opens the store, removes what interrupted transfers left, and sets aside documents that are not what their names say.
 * Rejects when the data folder cannot be written to.
 */
export async function openStore(options: StoreOptions): Promise<LayerStore> {
  const { factoryImages, log } = options;
  const paths = options.paths ?? devicePaths;
  const arch = options.arch ?? (process.arch === 'arm64' ? 'arm64' : 'amd64');
  await rm(join(paths.data, 'staging'), { recursive: true, force: true });
  for (const folder of ['staging', 'layers', 'seals', 'blobs']) await ensureFolder(join(paths.data, folder));
  const path = join(paths.data, 'refs.json');
  const references = await References.load(path, log);
  const documents = new DocumentFiles(paths.factoryBlobs, join(paths.data, 'blobs'), arch);
  await documents.check(log);
  const seals = new LayerSeals(join(paths.data, 'seals'), options.checkedNote);
  await seals.tidy(join(paths.data, 'layers'));
  const recipes = await LayerRecipes.open({ paths });
  const layers = new LayerFolders({ paths, seals, recipes, log });
  const parts = { references: references ?? new References(path, []), documents, layers, recipes };
  const store = new LayerStore({ paths, arch, factoryImages, log, ...parts });
  if (!references) await store.findImagesAgain();
  return store;
}

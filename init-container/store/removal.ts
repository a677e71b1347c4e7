import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { GarbageItem } from '../../src/shared/api/types.ts';
import type { Revisions } from '../revisions/types.ts';
import { syncDirectory } from './durable.ts';
import { errorCode } from './errors.ts';
import type { Inventory } from './garbage.ts';
import type { LayerStore } from './image-store.ts';
import type { Uploads } from './uploads.ts';

export interface RemovalParts {
  store: LayerStore;
  revisions: Revisions;
  uploads: Pick<Uploads, 'collect'>;
  /** The data folder. */
  data: string;
}

/** Removes one thing that `planCollection` found to be garbage in this inventory. */
export async function removeItem(parts: RemovalParts, { kind, name }: GarbageItem, inventory: Inventory) {
  const { data, revisions } = parts;
  switch (kind) {
    case 'revision':
      return revisions.collect([Number(name)]);
    case 'image':
      return removeImage(parts, name, inventory);
    case 'layer':
      await discard(data, join('layers', name));
      await discard(data, join('recipes', name));
      return discard(data, join('seals', name));
    case 'document':
      return discard(data, join('blobs', name));
    case 'volume':
      return discard(data, name);
    case 'upload':
      return parts.uploads.collect(name);
  }
}

/** With the documents that no other image has. */
async function removeImage({ store, data }: RemovalParts, name: string, { images, documents }: Inventory) {
  const image = images.find((known) => known.name === name);
  if (!image) return;
  const others = images.filter(({ digest }) => digest !== image.digest && store.knows(digest));
  const shared = new Set(others.flatMap((other) => other.documents));
  await store.forget(image.digest);
  for (const file of image.documents)
    if (documents.has(file) && !shared.has(file)) await discard(data, join('blobs', file));
}

/** In one step out of the way, and then for good: never half there under its name. */
async function discard(data: string, name: string): Promise<void> {
  const path = join(data, name);
  const gone = join(data, 'staging', `gone-${randomUUID()}`);
  try {
    await rename(path, gone);
  } catch (error) {
    // It went with something else, or a damaged disk has lost it.
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  await syncDirectory(join(path, '..'));
  await rm(gone, { recursive: true, force: true });
}

import type { GarbageItem } from '../../src/shared/api/types.ts';
import type { Digest } from '../../src/shared/oci/types.ts';

/** A revision other than the factory one, which is part of the root image. */
export interface StoredRevision {
  number: number;
  images: readonly Digest[];
  /** Keys of `Inventory.volumes`. */
  volumes: readonly string[];
  /** Key of `Inventory.contents`: revisions with the same content share a file. */
  content: string;
  committed: boolean;
}

export interface StoredDocuments {
  digest: Digest;
  /** For people. */
  name: string;
  /** Keys of `Inventory.documents` and `Inventory.layers`. */
  documents: readonly string[];
  layers: readonly string[];
}

/** What there is on the data folder. Maps are from names to bytes that the disk gets back. */
export interface Inventory {
  revisions: readonly StoredRevision[];
  images: readonly StoredDocuments[];
  layers: ReadonlyMap<string, number>;
  documents: ReadonlyMap<string, number>;
  volumes: ReadonlyMap<string, number>;
  uploads: ReadonlyMap<string, number>;
  contents: ReadonlyMap<string, number>;
}

/** What must stay, whatever else goes. */
export interface Needs {
  revisions: ReadonlySet<number>;
  images: ReadonlySet<Digest>;
  volumes: ReadonlySet<string>;
  /** Keys of `Inventory.uploads`. */
  uploads: ReadonlySet<string>;
}

export interface Collection {
  items: GarbageItem[];
  bytes: number;
}

interface Reached {
  images: Set<string>;
  layers: Set<string>;
  documents: Set<string>;
  volumes: Set<string>;
  uploads: ReadonlySet<string>;
  contents: Set<string>;
}

/**
 * What goes, in the order in which it goes, until `wanted` bytes are free: first what nothing refers to, then the
 * revisions that nobody needs with all that only they had: those that never were in force, then the oldest. Pure.
 */
export function planCollection(inventory: Inventory, needs: Needs, wanted = Number.POSITIVE_INFINITY): Collection {
  const kept = new Map(inventory.revisions.map((revision) => [revision.number, revision]));
  const collection: Collection = { items: [], bytes: 0 };
  const gone = new Set<string>();
  const take = (item: GarbageItem) => {
    gone.add(keyOf(item));
    collection.items.push(item);
    collection.bytes += item.bytes;
  };
  for (const item of unreached(inventory, reach(inventory, needs, kept.values()), gone)) {
    if (collection.bytes >= wanted) return collection;
    take(item);
  }
  const candidates = inventory.revisions
    .filter(({ number }) => !needs.revisions.has(number))
    .toSorted((a, b) => Number(a.committed) - Number(b.committed) || a.number - b.number);
  for (const { number, content } of candidates) {
    if (collection.bytes >= wanted) return collection;
    kept.delete(number);
    const reached = reach(inventory, needs, kept.values());
    const bytes = reached.contents.has(content) ? 0 : (inventory.contents.get(content) ?? 0);
    take({ kind: 'revision', name: String(number), bytes });
    for (const item of unreached(inventory, reached, gone)) take(item);
  }
  return collection;
}

/** The bytes of all that `planCollection` would take, in a time that does not grow with the square of the revisions. */
export function reclaimableBytes(inventory: Inventory, needs: Needs): number {
  const kept = inventory.revisions.filter(({ number }) => needs.revisions.has(number));
  const reached = reach(inventory, needs, kept);
  const contents = new Set(inventory.revisions.map(({ content }) => content));
  let bytes = 0;
  for (const item of unreached(inventory, reached, new Set())) bytes += item.bytes;
  for (const content of contents) if (!reached.contents.has(content)) bytes += inventory.contents.get(content) ?? 0;
  return bytes;
}

function reach(inventory: Inventory, needs: Needs, kept: Iterable<StoredRevision>): Reached {
  const reached: Reached = {
    images: new Set(needs.images),
    layers: new Set(),
    documents: new Set(),
    volumes: new Set(needs.volumes),
    uploads: needs.uploads,
    contents: new Set(),
  };
  for (const { images, volumes, content } of kept) {
    for (const digest of images) reached.images.add(digest);
    for (const name of volumes) reached.volumes.add(name);
    reached.contents.add(content);
  }
  for (const { digest, documents, layers } of inventory.images) {
    if (!reached.images.has(digest)) continue;
    for (const name of documents) reached.documents.add(name);
    for (const name of layers) reached.layers.add(name);
  }
  return reached;
}

const keyOf = ({ kind, name }: Pick<GarbageItem, 'kind' | 'name'>) => `${kind} ${name}`;

/**
 * What is not reached and not gone before. Images before their layers: a power cut between leaves layers that nothing
 * refers to, and no image that lacks one. An image's documents go with it, a shared one with the last that has it.
 */
function unreached(inventory: Inventory, reached: Reached, gone: Set<string>): GarbageItem[] {
  const items: GarbageItem[] = [];
  for (const image of inventory.images) {
    if (reached.images.has(image.digest) || gone.has(keyOf({ kind: 'image', name: image.name }))) continue;
    const own = image.documents.filter(
      (name) => !reached.documents.has(name) && !gone.has(keyOf({ kind: 'document', name })),
    );
    for (const name of own) gone.add(keyOf({ kind: 'document', name }));
    const bytes = own.reduce((sum, name) => sum + (inventory.documents.get(name) ?? 0), 0);
    items.push({ kind: 'image', name: image.name, bytes });
  }
  const rest = (kind: GarbageItem['kind'], all: ReadonlyMap<string, number>, needed: ReadonlySet<string>) => {
    for (const [name, bytes] of all)
      if (!needed.has(name) && !gone.has(keyOf({ kind, name }))) items.push({ kind, name, bytes });
  };
  rest('document', inventory.documents, reached.documents);
  rest('layer', inventory.layers, reached.layers);
  rest('volume', inventory.volumes, reached.volumes);
  // Last: whoever comes back would have to send less.
  rest('upload', inventory.uploads, reached.uploads);
  return items;
}

import { open } from 'node:fs/promises';
import { type ByteSource, fileSource } from '../../shared/delta/byte-source.ts';
import { encodeRecipe, type Recipe, type RecipeContent } from '../../shared/delta/recipe.ts';
import type { Descriptor, Digest } from '../../shared/oci/types.ts';
import type { Candidate } from '../delta/choose-base.ts';
import type { DeviceLayers } from './device-layers.ts';
import type { CachedTar, HostCache } from './host-cache.ts';

/** What a layer's difference can be made against. */
export interface Bases {
  /** Serialised, the one first that is most like the target. */
  recipes: Buffer[];
  /** Of the layers, in the same order. */
  diffIds: Digest[];
  /** See `MakeDelta.others`. */
  others?: Candidate[];
  /** Contents of the bases that this host has, too. */
  contents: BaseContents;
  /** All contents of the bases. */
  present: RecipeContent[];
}

/** Contents of tars on this host. */
export class BaseContents {
  readonly #places = new Map<Digest, { path: string; offset: number; size: number }>();

  add({ path, recipe }: CachedTar): void {
    for (const { sha256, tarOffset: offset, size } of recipe.contents)
      if (!this.#places.has(sha256)) this.#places.set(sha256, { path, offset, size });
  }

  addFile({ path, sha256, size }: { path: string; sha256: Digest; size: number }): void {
    this.#places.set(sha256, { path, offset: 0, size });
  }

  has(sha256: Digest): boolean {
    return this.#places.has(sha256);
  }

  async open(sha256: Digest): Promise<ByteSource | undefined> {
    const place = this.#places.get(sha256);
    if (!place) return undefined;
    const file = await open(place.path).catch(() => undefined);
    return file && { ...fileSource(file, place.offset, place.size), close: () => file.close() };
  }
}

/** A layer of the image that a component has. */
export interface Former {
  diffId: Digest;
  /** Where its image was built here. */
  blob?: Descriptor;
}

/**
 * The layers of the image that a component has now which the new image does not have, as far as device and host have them; if
 * there is none of those, all of them. `former`: the image's layers, lowest first.
 */
export async function basesFor(
  target: Recipe,
  former: readonly Former[],
  kept: ReadonlySet<Digest>,
  { cache, device }: { cache: HostCache; device: DeviceLayers },
): Promise<Bases> {
  const there = former.filter(({ diffId }) => device.has(diffId));
  const replaced = there.filter(({ diffId }) => !kept.has(diffId));
  const paths = new Set(target.contents.map(({ path }) => path));
  const contents = new BaseContents();
  const found: { diffId: Digest; recipe: Recipe; alike: number }[] = [];
  for (const layer of replaced.length > 0 ? replaced : there) {
    const tar = await tarOf(cache, layer);
    const recipe = tar?.recipe ?? (await device.recipe(layer.diffId));
    if (tar) contents.add(tar);
    if (!recipe) continue;
    const alike = recipe.contents.reduce((sum, { path }) => sum + Number(paths.has(path)), 0);
    found.push({ diffId: layer.diffId, recipe, alike });
  }
  // Stable: of two that are alike the lower one.
  found.sort((a, b) => b.alike - a.alike);
  return {
    recipes: found.map(({ recipe }) => encodeRecipe(recipe)),
    diffIds: found.map(({ diffId }) => diffId),
    contents,
    present: found.flatMap(({ recipe }) => recipe.contents),
  };
}

async function tarOf(cache: HostCache, { diffId, blob }: Former): Promise<CachedTar | undefined> {
  const kept = await cache.tar(diffId);
  if (kept || !blob) return kept;
  const { localStore } = await import('../../compose/oci/layout.ts');
  const layout = localStore();
  if (!layout.has(blob.digest)) return undefined;
  // One that was built here and is damaged now is only no help.
  return cache.keepTar(diffId, blob.mediaType, layout.openBlob(blob.digest)).catch(() => undefined);
}

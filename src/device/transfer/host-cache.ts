import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { cacheDir, produceFile, writeFileAtomic } from '../../compose/cache.ts';
import { KeptFiles } from '../../compose/kept-files.ts';
import { type ByteSource, openFile } from '../../shared/delta/byte-source.ts';
import { decodeRecipe, encodeRecipe, type Recipe, TarSplitter } from '../../shared/delta/recipe.ts';
import { compressRecipe, decompressRecipe } from '../../shared/delta/recipe-codec.ts';
import { hexOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import { ImageError } from '../errors.ts';

/** In bytes, per kind; what was not used for longest goes first. */
const bounds = {
  tars: 2 * 2 ** 30,
  recipes: 64 * 2 ** 20,
  told: 64 * 2 ** 20,
  documents: 16 * 2 ** 20,
  layers: 16 * 2 ** 20,
  revisions: 16 * 2 ** 20,
  deltas: 2 ** 30,
};
type Kind = keyof typeof bounds;

const maxRecipeBytes = 64 * 2 ** 20;

/** A layer's tar on this host, and what it is made of. */
export interface CachedTar {
  diffId: Digest;
  path: string;
  recipe: Recipe;
  open(): Promise<ByteSource>;
}

/**
 * What this host remembers of layers and devices, so that the next swap sends only what differs: tars and recipes of
 * layers by diffID (those that devices told apart from those of tars), documents of images and revisions by digest, lists of layers by the digest of the list, differences that have not
 * arrived yet. Nothing here is needed: what is missing or damaged is made again or done without.
 */
export class HostCache {
  readonly #dir: string;

  constructor(dir = cacheDir('transfer')) {
    this.#dir = dir;
  }

  /** Files of composed images. */
  get images(): KeptFiles {
    return new KeptFiles(join(this.#dir, 'images'));
  }

  path(kind: Kind, name: string): string {
    return join(this.#dir, kind, name);
  }

  /** The bytes, which count as used; undefined when there are none. */
  async read(kind: Kind, name: string): Promise<Buffer | undefined> {
    const path = this.path(kind, name);
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes) await touch(path);
    return bytes;
  }

  /** A host whose disk is full, or may not be written to, does without. */
  async write(kind: Kind, name: string, bytes: Uint8Array | string): Promise<void> {
    try {
      await writeFileAtomic(this.path(kind, name), bytes);
      await this.#prune(kind);
    } catch {
      // What is not kept is made again.
    }
  }

  async remove(kind: Kind, name: string): Promise<void> {
    await rm(this.path(kind, name), { force: true });
  }

  /** The tar of a layer that was kept. */
  async tar(diffId: Digest): Promise<CachedTar | undefined> {
    const path = this.path('tars', hexOf(diffId));
    if (!(await touch(path))) return undefined;
    const recipe = (await this.#recipe('recipes', diffId)) ?? (await this.#makeRecipe(diffId, createReadStream(path)));
    return recipe && { diffId, path, recipe, open: () => openFile(path) };
  }

  /**
   * Keeps the tar in a layer's blob. Undefined when it cannot be split into files, or there is no room for it here. Rejects
   * with an `ImageError` when it is not what its diffID says, or `blob` says so.
   */
  async keepTar(diffId: Digest, mediaType: string, blob: Readable): Promise<CachedTar | undefined> {
    const path = this.path('tars', hexOf(diffId));
    const written = produceFile(path, async (temporary) => {
      const hash = createHash('sha256');
      const hashing = async function* (source: AsyncIterable<Buffer>) {
        for await (const chunk of source) {
          hash.update(chunk);
          yield chunk;
        }
      };
      const file = createWriteStream(temporary);
      const unpack = decompressor(mediaType);
      if (unpack) await pipeline(blob, unpack, hashing, file);
      else await pipeline(blob, hashing, file);
      const found = `sha256:${hash.digest('hex')}`;
      if (found !== diffId) throw new ImageError(`the tar of the layer ${diffId} has the digest ${found}`);
    });
    try {
      await written;
      await this.#prune('tars', path);
    } catch (error) {
      if (error instanceof ImageError) throw error;
      return undefined;
    }
    return this.tar(diffId);
  }

  async recipe(diffId: Digest): Promise<Recipe | undefined> {
    return (await this.#recipe('recipes', diffId)) ?? this.#recipe('told', diffId);
  }

  /**
   * Keeps a recipe as a device gives it. Undefined, and not kept, when it is damaged. Nothing shows whether it is the layer's:
   * of a tar that is here it is never taken.
   */
  async keepRecipe(diffId: Digest, compressed: Buffer): Promise<Recipe | undefined> {
    const recipe = await recipeIn(compressed);
    if (recipe) await this.write('told', hexOf(diffId), compressed);
    return recipe;
  }

  /** What was made of these layers was no good: those that are damaged here go, and all that devices told. */
  async distrust(diffIds: readonly Digest[]): Promise<void> {
    for (const diffId of diffIds) {
      const name = hexOf(diffId);
      const hash = createHash('sha256');
      const read = pipeline(createReadStream(this.path('tars', name)), hash);
      const found = await read.then(
        () => hash.digest('hex'),
        () => undefined,
      );
      if (found === name) continue;
      await this.remove('tars', name);
      await this.remove('recipes', name);
    }
    await rm(join(this.#dir, 'told'), { recursive: true, force: true });
  }

  async #recipe(kind: 'recipes' | 'told', diffId: Digest): Promise<Recipe | undefined> {
    const compressed = await this.read(kind, hexOf(diffId));
    return compressed && recipeIn(compressed);
  }

  async #makeRecipe(diffId: Digest, tar: AsyncIterable<Buffer>): Promise<Recipe | undefined> {
    const splitter = new TarSplitter();
    for await (const chunk of tar) splitter.push(chunk);
    const recipe = splitter.end();
    if (recipe) await this.write('recipes', hexOf(diffId), await compressRecipe(encodeRecipe(recipe), { level: 6 }));
    return recipe;
  }

  async #prune(kind: Kind, keep?: string): Promise<void> {
    const folder = join(this.#dir, kind);
    const files = await Promise.all(
      (await readdir(folder)).map(async (name) => {
        const path = join(folder, name);
        const found = await stat(path).catch(() => undefined);
        return { path, bytes: found?.size ?? 0, at: found?.mtimeMs ?? 0 };
      }),
    );
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of files.toSorted((a, b) => a.at - b.at)) {
      if (total <= bounds[kind]) return;
      if (path === keep) continue;
      await rm(path, { force: true });
      total -= bytes;
    }
  }
}

async function recipeIn(compressed: Buffer): Promise<Recipe | undefined> {
  try {
    return decodeRecipe(await decompressRecipe(compressed, { maxBytes: maxRecipeBytes }));
  } catch {
    return undefined;
  }
}

function decompressor(mediaType: string) {
  if (mediaType.endsWith('gzip')) return createGunzip();
  return mediaType.endsWith('zstd') ? createZstdDecompress() : undefined;
}

/** Notes that a file is used; false when there is none. */
async function touch(path: string): Promise<boolean> {
  const now = new Date();
  return utimes(path, now, now).then(
    () => true,
    () => false,
  );
}

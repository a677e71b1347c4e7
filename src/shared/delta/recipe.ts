import { createHash, type Hash } from 'node:crypto';
import { digestOf, hexOf } from '../oci/digest.ts';
import type { Digest } from '../oci/types.ts';
import { DeltaError } from './errors.ts';
import { TarWalker } from './tar-walker.ts';
import { ByteReader, varint } from './varint.ts';
import { packZeros, unpackZeros } from './zero-runs.ts';

/** What a regular file's entry in a tar holds. */
export interface RecipeContent {
  /** As the entry says, decoded as UTF-8: bytes that are none are U+FFFD. Several entries may have the same one. */
  path: string;
  /** Bytes, more than 0. */
  size: number;
  sha256: Digest;
  /** How many bytes of `Recipe.meta` stand before it. */
  metaOffset: number;
  /** How many bytes of the tar stand before it. */
  tarOffset: number;
}

/**
 * How a tar is made again from the contents of its files. It follows from the bytes of the tar alone, and has one serialised form,
 * so that a digest names it. What is no tar, or no longer one after a while, is `meta` from there on.
 */
export interface Recipe {
  /** Every byte that is no content of a regular file: headers, padding, what is behind the last entry. */
  readonly meta: Buffer;
  /** In the order of the tar. */
  readonly contents: readonly RecipeContent[];
  /** Bytes that the tar lacks at its end: its last content is shorter than the entry says by so many. */
  readonly cut: number;
}

export interface RecipeLimits {
  /** Of `Recipe.meta`, which is held in memory. */
  maxMetaBytes: number;
}

/** Some 30,000 entries or more. Whoever receives a layer or applies a difference holds so much. */
export const recipeLimits: RecipeLimits = { maxMetaBytes: 32 * 1024 * 1024 };

/** Begins every serialised recipe; the last byte is the version. */
const MAGIC = Buffer.from('GRC\x01', 'latin1');
const HASH = 32;

/** Makes the recipe of a tar that is pushed through it in chunks of any size. */
export class TarSplitter {
  readonly #walker = new TarWalker({
    meta: (bytes) => this.#addMeta(bytes),
    contentStart: (path, size) => {
      this.#open = { path, size, hash: createHash('sha256') };
    },
    content: (bytes) => this.#open?.hash.update(bytes),
    contentEnd: () => this.#closeContent(0),
  });
  readonly #maxMetaBytes: number;
  readonly #contents: RecipeContent[] = [];
  #meta: Buffer[] = [];
  #metaLength = 0;
  #contentLength = 0;
  #open: { path: string; size: number; hash: Hash } | undefined;

  constructor(limits = recipeLimits) {
    this.#maxMetaBytes = limits.maxMetaBytes;
  }

  /** Keeps no reference to `chunk`. */
  push(chunk: Uint8Array): void {
    if (this.#metaLength <= this.#maxMetaBytes) this.#walker.push(chunk);
  }

  /** To be called once, when the tar has ended. Undefined if the recipe would be larger than the limit. */
  end(): Recipe | undefined {
    if (this.#metaLength > this.#maxMetaBytes) return undefined;
    const cut = this.#walker.missing;
    this.#closeContent(cut);
    return { meta: Buffer.concat(this.#meta), contents: this.#contents, cut };
  }

  #addMeta(bytes: Buffer): void {
    this.#metaLength += bytes.length;
    if (this.#metaLength > this.#maxMetaBytes) this.#meta = [];
    else this.#meta.push(Buffer.from(bytes));
  }

  #closeContent(missing: number): void {
    if (!this.#open) return;
    const { path, size, hash } = this.#open;
    this.#open = undefined;
    const there = size - missing;
    if (there === 0) return;
    const [metaOffset, tarOffset] = [this.#metaLength, this.#metaLength + this.#contentLength];
    this.#contents.push({ path, size: there, sha256: `sha256:${hash.digest('hex')}`, metaOffset, tarOffset });
    this.#contentLength += there;
  }
}

/** The recipe of a tar. Undefined if it would be larger than the limit. */
export async function recipeOf(tar: AsyncIterable<Uint8Array>, limits = recipeLimits): Promise<Recipe | undefined> {
  const splitter = new TarSplitter(limits);
  for await (const chunk of tar) splitter.push(chunk);
  return splitter.end();
}

/** Bytes of the tar. */
export function tarSize({ meta, contents }: Recipe): number {
  return contents.reduce((sum, { size }) => sum + size, meta.length);
}

/**
 * The one serialised form: magic, how many contents, `cut`, the length of `meta`, the contents' SHA-256, `meta` packed. Names, sizes
 * and places of the contents are read out of `meta` again. Similar tars have similar forms.
 */
export function encodeRecipe({ meta, contents, cut }: Recipe): Buffer {
  const hashes = contents.map(({ sha256 }) => Buffer.from(sha256.slice('sha256:'.length), 'hex'));
  return Buffer.concat([MAGIC, varint(contents.length), varint(cut), varint(meta.length), ...hashes, packZeros(meta)]);
}

/** What a serialised recipe is named by: the first 16 hex digits of its SHA-256. */
export function recipeId(encoded: Buffer): string {
  return hexOf(digestOf(encoded)).slice(0, 16);
}

/** The recipe of a serialised form. Throws a `DeltaError` if it is none, or is larger than the limit. */
export function decodeRecipe(encoded: Buffer, limits = recipeLimits): Recipe {
  const reader = new ByteReader(encoded, 'the recipe of the layer');
  if (!reader.bytes(MAGIC.length - 1).equals(MAGIC.subarray(0, -1))) throw damaged('it does not begin as one');
  const version = reader.bytes(1)[0];
  if (version !== MAGIC.at(-1)) {
    throw new DeltaError(
      'version',
      `the recipe of the layer is of version ${version}, and only ${MAGIC.at(-1)} is known here`,
    );
  }
  const count = reader.varint();
  const cut = reader.varint();
  const size = reader.varint();
  if (size > limits.maxMetaBytes) {
    throw new DeltaError(
      'limit',
      `the recipe of the layer has ${size} bytes, and only ${limits.maxMetaBytes} are taken`,
    );
  }
  const hashes = reader.bytes(count * HASH);
  const meta = unpackZeros(reader, size);
  return { meta, contents: findContents(meta, hashes, cut), cut };
}

function findContents(meta: Buffer, hashes: Buffer, cut: number): RecipeContent[] {
  const found: { path: string; size: number; metaOffset: number }[] = [];
  let metaOffset = 0;
  const walker = new TarWalker(
    {
      meta: (bytes) => {
        metaOffset += bytes.length;
      },
      contentStart: (path, size) => found.push({ path, size, metaOffset }),
      content: () => undefined,
      contentEnd: () => undefined,
    },
    true,
  );
  walker.push(meta);
  const last = found.at(-1);
  if (cut > 0) {
    if (!last || cut > last.size || last.metaOffset !== meta.length)
      throw damaged('its last content cannot be cut off');
    last.size -= cut;
    if (last.size === 0) found.pop();
  }
  if (found.length * HASH !== hashes.length) throw damaged('it has another number of contents than of their digests');
  let before = 0;
  return found.map((content, index) => {
    const sha256: Digest = `sha256:${hashes.toString('hex', index * HASH, (index + 1) * HASH)}`;
    const tarOffset = content.metaOffset + before;
    before += content.size;
    if (!Number.isSafeInteger(before + meta.length)) throw damaged('its contents are larger than any tar');
    return { ...content, sha256, tarOffset };
  });
}

function damaged(why: string): DeltaError {
  return new DeltaError('invalid', `the recipe of the layer is damaged: ${why}`);
}

/**
 * The exact tar. `openContent` gives the bytes of a content; they are counted, but not hashed: the tar's own digest is to be checked
 * in any case. Throws a `DeltaError` (base) when a content is longer or shorter than the recipe says.
 */
export async function* tarOf(
  recipe: Recipe,
  openContent: (content: RecipeContent) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let written = 0;
  for (const content of recipe.contents) {
    if (content.metaOffset > written) yield recipe.meta.subarray(written, content.metaOffset);
    written = content.metaOffset;
    let left = content.size;
    for await (const chunk of openContent(content)) {
      left -= chunk.length;
      if (left < 0) break;
      yield chunk;
    }
    if (left !== 0) {
      const how = left < 0 ? 'longer' : 'shorter';
      throw new DeltaError(
        'base',
        `${JSON.stringify(content.path)} is ${how} here than the ${content.size} bytes it should have`,
      );
    }
  }
  if (written < recipe.meta.length) yield recipe.meta.subarray(written);
}

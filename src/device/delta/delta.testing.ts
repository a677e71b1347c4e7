import { applyDelta } from '../../shared/delta/apply.ts';
import { bufferSource } from '../../shared/delta/byte-source.ts';
import { encodeHead } from '../../shared/delta/format.ts';
import { encodeRecipe, type Recipe, recipeId, TarSplitter } from '../../shared/delta/recipe.ts';
import type { Digest } from '../../shared/oci/types.ts';
import { type Effort, pack } from './compressors.ts';
import { type MadeDelta, makeDelta } from './make-delta.ts';
import type { Made } from './methods.ts';

/** A layer that is on a device and, its contents at least, on the host. */
export interface TestLayer {
  tar: Buffer;
  recipe: Recipe;
  encoded: Buffer;
}

export function layerOf(tar: Buffer): TestLayer {
  const splitter = new TarSplitter();
  splitter.push(tar);
  const recipe = splitter.end();
  if (!recipe) throw new Error('the recipe is too large');
  return { tar, recipe, encoded: encodeRecipe(recipe) };
}

export function contentsOf(layers: readonly TestLayer[]): Map<Digest, Buffer> {
  return new Map(
    layers.flatMap(({ tar, recipe }) =>
      recipe.contents.map(
        ({ sha256, tarOffset, size }) => [sha256, tar.subarray(tarOffset, tarOffset + size)] as const,
      ),
    ),
  );
}

export interface PairOptions {
  effort?: Effort;
  /** Of the contents that the device has, those that the host has too; all by default. */
  hostHas?(sha256: Digest): boolean;
}

export function make(fresh: TestLayer, olds: readonly TestLayer[], options: PairOptions = {}): Promise<MadeDelta> {
  const { effort = 'thorough', hostHas = () => true } = options;
  const held = contentsOf(olds);
  const has = (sha256: Digest) => held.has(sha256) && hostHas(sha256);
  return makeDelta({
    target: bufferSource(fresh.tar),
    recipe: fresh.recipe,
    bases: olds.map(({ encoded }) => encoded),
    present: new Set(held.keys()),
    has,
    openContent: async (sha256) => {
      const content = held.get(sha256);
      return content && has(sha256) ? bufferSource(content) : undefined;
    },
    effort,
  });
}

export interface ApplyTestOptions {
  maxBytes?: number;
  /** After so many pieces no more are asked for. */
  stopAfter?: number;
  /** So many contents may be open at the same time. */
  mostOpen?: number;
  /** What the device has under a digest, if not what the layers have. */
  content?(sha256: Digest, content: Buffer | undefined): Buffer | undefined;
}

export async function apply(
  delta: Buffer,
  olds: readonly TestLayer[],
  options: ApplyTestOptions = {},
): Promise<Buffer> {
  const held = contentsOf(olds);
  const pieces: Uint8Array[] = [];
  let open = 0;
  const made = applyDelta({
    delta: bufferSource(delta),
    openRecipe: async (id) => olds.find(({ encoded }) => recipeId(encoded) === id)?.encoded,
    openContent: async (sha256) => {
      const content = options.content ? options.content(sha256, held.get(sha256)) : held.get(sha256);
      if (!content) return undefined;
      open++;
      if (open > (options.mostOpen ?? 2)) throw new Error(`${open} contents are open at the same time`);
      return {
        ...bufferSource(content),
        close: async () => {
          open--;
        },
      };
    },
    maxBytes: options.maxBytes ?? 2 ** 40,
  });
  const error = await collect(made, pieces, options.stopAfter);
  if (open !== 0) throw new Error(`${open} contents were left open`);
  if (error !== undefined) throw error;
  return Buffer.concat(pieces);
}

async function collect(made: AsyncIterable<Uint8Array>, pieces: Uint8Array[], stopAfter?: number): Promise<unknown> {
  try {
    for await (const piece of made) {
      if (pieces.length === stopAfter) break;
      pieces.push(piece);
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A difference that makes the contents of a layer by these operations alone. */
export async function deltaBy(target: TestLayer, made: readonly Made[]): Promise<Buffer> {
  const { stream, bytes } = await pack(target.encoded, 'fast');
  const recipe = { size: target.encoded.length, method: { kind: 'literal', data: stream } } as const;
  const operations = made.map(({ method }, i) => ({ targets: [i], ...method }));
  return Buffer.concat([encodeHead({ recipe, operations }), bytes, ...made.flatMap(({ data }) => data)]);
}

/** Bytes that look random and are the same each time. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

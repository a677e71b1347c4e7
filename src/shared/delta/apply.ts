import { bufferSource, readExactly } from './byte-source.ts';
import { DeltaError } from './errors.ts';
import { type DeltaHead, damaged, dataLength, decodeHead, madeBy, PREFIX_BYTES, readPrefix } from './format.ts';
import { Operations, type PlannedOperation, type WhatIsHere } from './operations.ts';
import { perform } from './perform.ts';
import {
  decodeRecipe,
  type Recipe,
  type RecipeContent,
  type RecipeLimits,
  recipeId,
  recipeLimits,
  tarOf,
  tarSize,
} from './recipe.ts';
import { heedsDictionaries } from './zstd.ts';

export interface ApplyOptions extends WhatIsHere {
  /** The serialised recipe with this id (`recipeId`), of a layer that is here. */
  openRecipe(id: string): Promise<Buffer | undefined>;
  /** Of the tar. */
  maxBytes: number;
  limits?: RecipeLimits;
}

/**
 * The exact tar that a difference was made for, piece by piece. Holds a few MiB, however large the tar is. Of what it builds on only
 * sizes are checked: whoever takes the tar has to compare its digest. Throws a `DeltaError`; the first piece comes after everything
 * has been checked that can be without reading contents.
 */
export async function* applyDelta(options: ApplyOptions): AsyncGenerator<Uint8Array> {
  const { start, head } = await readHead(options);
  const { recipe, bases } = await readRecipes(head, start, options);
  const operations = check(head, recipe, start, options);
  const contents = new Operations(options, bases, operations);
  try {
    yield* tarOf(recipe, (content) => contents.next(content));
  } finally {
    await contents.close();
  }
}

async function readHead({ delta, limits = recipeLimits }: ApplyOptions): Promise<{ start: number; head: DeltaHead }> {
  const read = (position: number, length: number) => readExactly(delta, position, length, 'the difference');
  const { start, length } = readPrefix(await read(0, Math.min(PREFIX_BYTES, delta.size)));
  if (length > delta.size - start) throw damaged('it ends too early');
  // A recipe takes no more when compressed, and operations less than their contents in the recipe.
  if (length > limits.maxMetaBytes * 2) throw new DeltaError('limit', `the head of the difference has ${length} bytes`);
  return { start: start + length, head: decodeHead(await read(start, length)) };
}

async function readRecipes(
  { base: id, recipe: { size, method } }: DeltaHead,
  position: number,
  { delta, openRecipe, limits = recipeLimits }: ApplyOptions,
): Promise<{ recipe: Recipe; bases: readonly RecipeContent[] }> {
  if (!heedsDictionaries())
    throw new DeltaError('version', 'this Node ignores dictionaries of zstd, which differences need');
  const base = id === undefined ? Buffer.alloc(0) : await openRecipe(id);
  if (!base || (id !== undefined && recipeId(base) !== id)) {
    throw new DeltaError('base', `the layer that the difference builds on, with the recipe ${id}, is not here`);
  }
  // Its digests, one for each header in `meta`, are smaller than that.
  if (size > limits.maxMetaBytes * 2) {
    throw new DeltaError(
      'limit',
      `the recipe of the layer has ${size} bytes, and only ${limits.maxMetaBytes * 2} are taken`,
    );
  }
  const pieces: Buffer[] = [];
  let left = size;
  for await (const piece of perform(delta, method, { base: bufferSource(base), position, size })) {
    left -= piece.length;
    if (left < 0) break;
    pieces.push(piece);
  }
  if (left !== 0) throw damaged('its recipe is longer or shorter than it says');
  return {
    recipe: decodeRecipe(Buffer.concat(pieces), limits),
    bases: id === undefined ? [] : decodeRecipe(base, limits).contents,
  };
}

function check(head: DeltaHead, recipe: Recipe, start: number, { delta, maxBytes }: ApplyOptions): PlannedOperation[] {
  const bytes = tarSize(recipe);
  if (bytes > maxBytes) throw new DeltaError('size', `the layer has ${bytes} bytes, and only ${maxBytes} are taken`);
  let position = start + dataLength(head.recipe.method);
  const planned: PlannedOperation[] = [];
  for (const { targets, ...method } of head.operations) {
    let size = 0;
    for (const target of targets) {
      const content = recipe.contents[target];
      if (!content) throw damaged('it makes contents that the layer does not have');
      size += content.size;
    }
    const length = dataLength(method);
    // The same bytes again, from where they are.
    const same = method.kind === 'again' ? planned[method.operation] : undefined;
    const made = same?.size ?? madeBy(method);
    if (made !== undefined && made !== size) throw damaged('an operation makes more or less than its contents');
    planned.push({ method: same?.method ?? method, position: same?.position ?? position, size, targets });
    position += length;
  }
  if (dictionaryBytes(planned) > bytes * DICTIONARY_FACTOR + DICTIONARY_EXTRA) {
    throw new DeltaError(
      'limit',
      'the difference builds on far more than what it makes, which would keep the device busy',
    );
  }
  if (position !== delta.size)
    throw damaged(position > delta.size ? 'it ends too early' : 'there is more behind its end');
  return planned;
}

/** A content that shrank has a dictionary larger than itself; but not many of them. */
const DICTIONARY_FACTOR = 4;
const DICTIONARY_EXTRA = 256 * 1024 * 1024;

function dictionaryBytes(planned: readonly PlannedOperation[]): number {
  const blocks = planned.flatMap(({ method }) => (method.kind === 'dictionary' ? method.blocks : []));
  return blocks.reduce((sum, { dictionary }) => sum + dictionary, 0);
}

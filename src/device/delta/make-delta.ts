import { type ByteSource, readExactly } from '../../shared/delta/byte-source.ts';
import { DeltaError } from '../../shared/delta/errors.ts';
import { type BaseContent, encodeHead, type Operation } from '../../shared/delta/format.ts';
import { decodeRecipe, encodeRecipe, type Recipe, recipeId } from '../../shared/delta/recipe.ts';
import type { Digest } from '../../shared/oci/types.ts';
import { BaseChooser, type Candidate } from './choose-base.ts';
import type { Effort } from './compressors.ts';
import { groupMissing, type Missing } from './groups.ts';
import { lengthOf, type Made, makeAdd, makeDictionary, makeLiteral } from './methods.ts';

export interface MakeDelta {
  /** The tar of the layer that is to travel, and its recipe. */
  target: ByteSource;
  recipe: Recipe;
  /**
   * Serialised recipes of layers that the device has, the one first that the new layer comes after: the others are asked for what that
   * one does not have.
   */
  bases: readonly Buffer[];
  /** More contents that the device has, of which nothing but this is known. */
  others?: readonly Candidate[];
  /** Which contents the device has. */
  present: ReadonlySet<Digest>;
  /** A content of the bases, if the host has it. Closed after use. */
  openContent(sha256: Digest): Promise<ByteSource | undefined>;
  /** Which contents the host has: `openContent` gives them. */
  has(sha256: Digest): boolean;
  effort: Effort;
  /** Bytes of the contents that travel which have been looked at, of all of them. */
  onProgress?(done: number, total: number): void;
}

export interface MadeDelta {
  /** One behind the other, the blob. */
  parts: Buffer[];
  size: number;
  /** What is in it, for people: how each content travels that the device lacks, and how many bytes that takes. */
  operations: { kind: Operation['kind']; paths: string[]; size: number; length: number }[];
}

/**
 * The difference by which a device that has the bases makes the target. The same input gives the same bytes. Holds one content, its
 * base and the difference in memory.
 */
export async function makeDelta(options: MakeDelta): Promise<MadeDelta> {
  const { recipe, effort, bases } = options;
  const base = bases[0];
  const groups = groupMissing(await findMissing(options));
  const total = groups.flat().reduce((sum, { content }) => sum + content.size, 0);
  let done = 0;

  const operations: Operation[] = [];
  const data: Buffer[] = [];
  const shown: MadeDelta['operations'] = [];
  const sent = new Map<Digest, number>();
  for (const group of groups) {
    const size = group.reduce((sum, { content }) => sum + content.size, 0);
    const alone = group.length === 1 ? group[0]?.content.sha256 : undefined;
    const earlier = alone === undefined ? undefined : sent.get(alone);
    const made: Made =
      earlier === undefined
        ? await makeGroup(options, group, (bytes) => options.onProgress?.(done + bytes, total))
        : { method: { kind: 'again', operation: earlier }, data: [] };
    if (alone !== undefined && earlier === undefined) sent.set(alone, operations.length);
    operations.push({ targets: group.map(({ place }) => place), ...made.method });
    data.push(...made.data);
    shown.push({
      kind: made.method.kind,
      paths: group.map(({ content }) => content.path),
      size,
      length: lengthOf(made),
    });
    done += size;
    options.onProgress?.(done, total);
  }
  const travelling = new Set(operations.flatMap(({ targets }) => targets));
  const contents = recipe.contents.map((one, place) => (travelling.has(place) ? { ...one, sha256: NO_DIGEST } : one));
  const encoded = encodeRecipe({ ...recipe, contents });
  const madeRecipe = await smallest(base ?? Buffer.alloc(0), [], encoded, { isBinary: false, effort });
  const head = encodeHead({
    base: base && recipeId(base),
    recipe: { size: encoded.length, method: madeRecipe.method },
    operations,
  });
  const parts = [head, ...madeRecipe.data, ...data];
  return { parts, size: parts.reduce((sum, { length }) => sum + length, 0), operations: shown };
}

/** Of a content that an operation makes. */
const NO_DIGEST: Digest = `sha256:${'0'.repeat(64)}`;

async function findMissing({ target, recipe, bases, others = [], present, has }: MakeDelta): Promise<Missing[]> {
  const chooser = new BaseChooser([...candidates(bases, has), ...others.filter(({ sha256 }) => has(sha256))]);
  const missing: Missing[] = [];
  for (const [place, content] of recipe.contents.entries()) {
    if (present.has(content.sha256)) continue;
    const beginning = await readExactly(target, content.tarOffset, Math.min(content.size, 8192), 'the layer');
    missing.push({ place, content, base: chooser.choose(content), isBinary: beginning.includes(0) });
  }
  return missing;
}

function* candidates(bases: readonly Buffer[], has: (sha256: Digest) => boolean): Generator<Candidate> {
  const seen = new Set<Digest>();
  for (const [index, base] of bases.entries()) {
    for (const [place, { sha256, path, size }] of decodeRecipe(base).contents.entries()) {
      if (seen.has(sha256) && index > 0) continue;
      seen.add(sha256);
      if (has(sha256)) yield { sha256, path, size, place: index === 0 ? place : undefined };
    }
  }
}

async function makeGroup(
  { target, openContent, effort }: MakeDelta,
  group: readonly Missing[],
  onProgress: (bytes: number) => void,
): Promise<Made> {
  const read = group.map(({ content }) => readExactly(target, content.tarOffset, content.size, 'the layer'));
  const fresh = Buffer.concat(await Promise.all(read));
  const { old, bases } = await readBases(group, openContent);
  const isBinary = group.some((one) => one.isBinary);
  return smallest(old, bases, fresh, { isBinary, effort, onProgress });
}

/** Tries the methods that may be the best one. */
async function smallest(
  old: Buffer,
  bases: BaseContent[],
  fresh: Buffer,
  { isBinary, effort, onProgress }: { isBinary: boolean; effort: Effort; onProgress?: (bytes: number) => void },
): Promise<Made> {
  if (old.length === 0) return makeLiteral(fresh, effort);
  const tries = [await makeAdd(old, bases, fresh, effort, onProgress)];
  const added = tries.reduce((sum, made) => sum + lengthOf(made), 0);
  if (isWorthDictionary(fresh.length, added, isBinary, effort))
    tries.push(await makeDictionary(old, bases, fresh, effort));
  if (tries.every((made) => lengthOf(made) > fresh.length * POOR)) tries.push(await makeLiteral(fresh, effort));
  return tries.reduce((best, made) => (lengthOf(made) < lengthOf(best) ? made : best));
}

/** Above this part of the content, the base may be no help at all. */
const POOR = 0.15;
/** Below this part of it, code is not made smaller by a dictionary. */
const GOOD = 0.2;
/** Of what an add operation takes, a dictionary saves no more than so much. */
const MAY_SAVE = 0.3;
/** Bytes a second: what zstd compresses with a large dictionary, and the slowest line that the effort is for. */
const speeds: Record<Effort, { zstd: number; line: number }> = {
  fast: { zstd: 20_000_000, line: 100_000 },
  thorough: { zstd: 1_500_000, line: 11_520 },
};

/** Whether trying takes no longer than it can save. */
function isWorthDictionary(size: number, added: number, isBinary: boolean, effort: Effort): boolean {
  if (isBinary && added < size * GOOD) return false;
  const { zstd, line } = speeds[effort];
  return size / zstd < (added * MAY_SAVE) / line;
}

async function readBases(
  group: readonly Missing[],
  openContent: MakeDelta['openContent'],
): Promise<{ old: Buffer; bases: BaseContent[] }> {
  const bases: BaseContent[] = [];
  const contents: Buffer[] = [];
  const seen = new Set<Digest>();
  for (const { base } of group) {
    if (!base || seen.has(base.sha256)) continue;
    seen.add(base.sha256);
    const source = await openContent(base.sha256);
    if (!source) throw new DeltaError('base', `the host no longer has the content ${base.sha256}`);
    try {
      contents.push(await readExactly(source, 0, source.size, base.path));
    } finally {
      await source.close();
    }
    bases.push(base.place ?? base.sha256);
  }
  return { old: Buffer.concat(contents), bases };
}

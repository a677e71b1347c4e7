import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { digestSchema } from '../../shared/definition/revision.ts';
import type { ByteSource } from '../../shared/delta/byte-source.ts';
import { deltaMediaType } from '../../shared/delta/format.ts';
import type { Recipe } from '../../shared/delta/recipe.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import type { Effort } from '../delta/compressors.ts';
import { makeDelta } from '../delta/make-delta.ts';
import type { Bases } from './bases.ts';
import type { HostCache } from './host-cache.ts';
import type { Blob } from './verified.ts';

/** What a difference is to make. */
export interface DifferenceTarget {
  /** Of its tar, or what else is another for another tar. */
  diffId: Digest;
  recipe: Recipe;
  /** Its tar. Closed after use. */
  open(): Promise<ByteSource>;
}

/** A difference that this host keeps until it has arrived. */
export interface Difference {
  blob: Blob;
  /** Whose contents are in it. */
  files: number;
  /** How it makes them: by operations of so many bytes, each for the contents at these paths and maybe more. */
  operations: { kind: string; paths: string[]; bytes: number }[];
  /** To be called when the device has the layer. */
  arrived(): Promise<void>;
  /** To be called when the device cannot use it. */
  refused(): Promise<void>;
}

const keptSchema = z.object({
  digest: digestSchema,
  size: z.number(),
  files: z.number(),
  operations: z.array(z.object({ kind: z.string(), paths: z.array(z.string()), bytes: z.number() })),
  /** Contents of the layer that the device has to have. */
  needs: z.array(digestSchema),
});
type Kept = z.output<typeof keptSchema> & { bytes: Buffer };

const pieceBytes = 64 << 10;
/** An operation may be for thousands of contents, which nobody wants to see. */
const mostPaths = 3;

interface From {
  bases: Bases;
  present: ReadonlySet<Digest>;
  effort: Effort;
  /** To make one can take minutes. */
  signal?: AbortSignal | undefined;
}

/**
 * The difference by which a device makes a layer of its bases and of contents that it has. One that was made before and has
 * not arrived is taken again: with the same bytes the device goes on where it was.
 */
export async function difference(
  cache: HostCache,
  target: DifferenceTarget,
  { bases, present, effort, signal }: From,
): Promise<Difference> {
  const name = createHash('sha256')
    .update([target.diffId, effort, ...bases.diffIds].join('\n'))
    .digest('hex');
  const from = { bases, present, effort, signal };
  const kept = (await usable(cache, name, present)) ?? (await makeOnce(cache, name, target, from));
  const { digest, size, files, operations, bytes } = kept;
  const blob: Blob = {
    mediaType: deltaMediaType,
    digest,
    size,
    open: async () => Readable.from(pieces(bytes), { objectMode: false }),
  };
  const arrived = async () => {
    await cache.remove('deltas', name);
    await cache.remove('deltas', `${name}.json`);
  };
  const refused = async () => {
    await arrived();
    await cache.distrust([target.diffId, ...bases.diffIds]);
  };
  return { blob, files, operations, arrived, refused };
}

async function usable(cache: HostCache, name: string, present: ReadonlySet<Digest>): Promise<Kept | undefined> {
  try {
    const kept = keptSchema.parse(JSON.parse((await cache.read('deltas', `${name}.json`))?.toString() ?? ''));
    const bytes = await cache.read('deltas', name);
    const fits = kept.needs.every((sha256) => present.has(sha256));
    return fits && bytes && digestOf(bytes) === kept.digest ? { ...kept, bytes } : undefined;
  } catch {
    return undefined;
  }
}

/** By the path of what they make. */
const making = new Map<string, Promise<Kept>>();

/** A person who says yes before the plan is there must not have the same work done twice side by side. */
async function makeOnce(cache: HostCache, name: string, target: DifferenceTarget, from: From): Promise<Kept> {
  const path = cache.path('deltas', name);
  await making.get(path)?.catch(() => undefined);
  from.signal?.throwIfAborted();
  const made = (await usable(cache, name, from.present)) ?? making.get(path);
  if (made) return made;
  const work = make(cache, name, target, from).finally(() => making.delete(path));
  making.set(path, work);
  return work;
}

async function make(
  cache: HostCache,
  name: string,
  target: DifferenceTarget,
  { bases, present, effort, signal }: From,
): Promise<Kept> {
  const { recipe } = target;
  const tar = await target.open();
  try {
    const { parts, operations } = await makeDelta({
      target: tar,
      recipe,
      bases: bases.recipes,
      ...(bases.others && { others: bases.others }),
      present,
      has: (sha256) => bases.contents.has(sha256),
      openContent: (sha256) => bases.contents.open(sha256),
      effort,
      onProgress: () => signal?.throwIfAborted(),
    });
    const bytes = Buffer.concat(parts);
    const all = new Set(recipe.contents.map(({ sha256 }) => sha256));
    const files = operations.reduce((sum, { kind, paths }) => sum + (kind === 'again' ? 0 : paths.length), 0);
    const needs = [...all].filter((sha256) => present.has(sha256));
    const shown = operations.map(({ kind, paths, length }) => ({
      kind,
      paths: paths.slice(0, mostPaths),
      bytes: length,
    }));
    const made = { digest: digestOf(bytes), size: bytes.length, files, operations: shown, needs };
    await cache.write('deltas', name, bytes);
    await cache.write('deltas', `${name}.json`, JSON.stringify(made));
    return { ...made, bytes };
  } finally {
    await tar.close();
  }
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
}

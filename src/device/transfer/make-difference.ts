import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { digestSchema } from '../../shared/definition/revision.ts';
import { fileSource } from '../../shared/delta/byte-source.ts';
import { deltaMediaType } from '../../shared/delta/format.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import type { Effort } from '../delta/compressors.ts';
import { makeDelta } from '../delta/make-delta.ts';
import type { Bases } from './bases.ts';
import type { CachedTar, HostCache } from './host-cache.ts';
import type { Blob } from './verified.ts';

/** A difference that this host keeps until it has arrived. */
export interface Difference {
  blob: Blob;
  /** Whose contents are in it. */
  files: number;
  /** To be called when the device has the layer. */
  arrived(): Promise<void>;
  /** To be called when the device cannot use it. */
  refused(): Promise<void>;
}

const keptSchema = z.object({
  digest: digestSchema,
  size: z.number(),
  files: z.number(),
  /** Contents of the layer that the device has to have. */
  needs: z.array(digestSchema),
});
type Kept = z.output<typeof keptSchema> & { bytes: Buffer };

const pieceBytes = 64 << 10;

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
  tar: CachedTar,
  { bases, present, effort, signal }: From,
): Promise<Difference> {
  const name = createHash('sha256')
    .update([tar.diffId, effort, ...bases.diffIds].join('\n'))
    .digest('hex');
  const kept =
    (await usable(cache, name, present)) ?? (await make(cache, name, tar, { bases, present, effort, signal }));
  const { digest, size, files, bytes } = kept;
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
    await cache.distrust([tar.diffId, ...bases.diffIds]);
  };
  return { blob, files, arrived, refused };
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

async function make(
  cache: HostCache,
  name: string,
  tar: CachedTar,
  { bases, present, effort, signal }: From,
): Promise<Kept> {
  const file = await open(tar.path);
  try {
    const { size } = await file.stat();
    const { parts, operations } = await makeDelta({
      target: fileSource(file, 0, size),
      recipe: tar.recipe,
      bases: bases.recipes,
      present,
      has: (sha256) => bases.contents.has(sha256),
      openContent: (sha256) => bases.contents.open(sha256),
      effort,
      onProgress: () => signal?.throwIfAborted(),
    });
    const bytes = Buffer.concat(parts);
    const all = new Set(tar.recipe.contents.map(({ sha256 }) => sha256));
    const files = operations.reduce((sum, { kind, paths }) => sum + (kind === 'again' ? 0 : paths.length), 0);
    const needs = [...all].filter((sha256) => present.has(sha256));
    const made = { digest: digestOf(bytes), size: bytes.length, files, needs };
    await cache.write('deltas', name, bytes);
    await cache.write('deltas', `${name}.json`, JSON.stringify(made));
    return { ...made, bytes };
  } finally {
    await file.close();
  }
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
}

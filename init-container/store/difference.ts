import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { applyDelta } from '../../src/shared/delta/apply.ts';
import { fileSource } from '../../src/shared/delta/byte-source.ts';
import { DeltaError } from '../../src/shared/delta/errors.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { StoreError } from './errors.ts';
import type { LayerContents } from './layer-contents.ts';

/** A difference that was uploaded. */
export interface Difference {
  file: string;
  /** Of its bytes. */
  digest: Digest;
}

export interface RebuildOptions {
  contents: Pick<LayerContents, 'openRecipe' | 'openContent'>;
  /** Of the tar. */
  maxBytes: number;
}

/**
 * The tar that a difference makes of what is on this device. Its digest is still to be checked: a content that is damaged
 * here shows in that alone. `StoreError` (difference): the layer has to be sent whole; (full): it has no room here.
 */
export async function* rebuildTar(
  { file, digest }: Difference,
  { contents, maxBytes }: RebuildOptions,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const found: Digest = `sha256:${hash.digest('hex')}`;
  if (found !== digest) throw unusable(`it has the digest ${found} instead of ${digest}`);
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const delta = fileSource(handle, 0, size);
    yield* applyDelta({
      delta,
      openRecipe: (wanted) => contents.openRecipe(wanted),
      openContent: (wanted) => contents.openContent(wanted),
      maxBytes,
    });
  } catch (error) {
    if (!(error instanceof DeltaError)) throw error;
    throw error.code === 'size' ? new StoreError('full', error.message, error) : unusable(error.message, error);
  } finally {
    await handle.close();
  }
}

/** As a `StoreError` that says so when a layer was not what it should be because it was made from a difference. */
export function explainDifference(error: unknown): unknown {
  return error instanceof StoreError && error.kind === 'invalid' ? unusable(error.message, error) : error;
}

export function unusable(why: string, cause?: unknown): StoreError {
  return new StoreError('difference', `the difference cannot be used on this device: ${why}; send it whole`, cause);
}

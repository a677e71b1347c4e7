import { rm } from 'node:fs/promises';
import type { Digest } from '../../shared/oci/types.ts';
import type { OciLayout } from './layout.ts';

/**
 * Removes the blobs of an image from a layout, except those that an image with a name there has, too. Does nothing when that
 * is so of the image itself.
 */
export async function forgetImage(layout: OciLayout, digest: Digest): Promise<void> {
  const { manifests } = await layout.index();
  const needed = new Set<Digest>();
  for (const named of manifests) for (const blob of await blobsOf(layout, named.digest)) needed.add(blob);
  if (needed.has(digest)) return;
  const unneeded = (await blobsOf(layout, digest)).filter((blob) => !needed.has(blob));
  // The manifest, which leads to the others, goes last.
  for (const blob of unneeded.toReversed()) await rm(layout.blobPath(blob), { force: true });
}

/** The manifest first; only that when it cannot be read. */
async function blobsOf(layout: OciLayout, digest: Digest): Promise<Digest[]> {
  const image = await layout.image(digest).catch(() => undefined);
  if (!image) return [digest];
  return [digest, image.manifest.config.digest, ...image.manifest.layers.map((layer) => layer.digest)];
}

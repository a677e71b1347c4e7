import type { AnnouncedImage, AnnounceImage } from '../../src/shared/api/types.ts';
import { type Documents, unpackDocuments } from '../../src/shared/delta/documents.ts';
import { DeltaError } from '../../src/shared/delta/errors.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { StoreError } from './errors.ts';

/**
 * An image with its documents, which may have come as a difference to those of another one. Their digests are still to be
 * checked. `StoreError` (difference): they have to be sent whole.
 */
export async function wholeAnnouncement(
  { ref, digest, manifest, config, base, difference }: AnnouncedImage,
  documentsOf: (image: Digest) => Promise<Documents | undefined>,
): Promise<AnnounceImage> {
  if (manifest !== undefined && config !== undefined) return { ref, digest, manifest, config };
  const known = base && (await documentsOf(base).catch(() => undefined));
  if (!known || difference === undefined)
    throw new StoreError('difference', `the image ${base} is not on this device: announce ${ref} whole`);
  try {
    return { ref, digest, ...(await unpackDocuments(Buffer.from(difference, 'base64'), known)) };
  } catch (error) {
    if (!(error instanceof DeltaError)) throw error;
    throw new StoreError('difference', `${error.message}; announce ${ref} whole`, error);
  }
}

import { z } from 'zod';
import { digestSchema } from '../../shared/definition/revision.ts';
import type { Documents } from '../../shared/delta/documents.ts';
import { digestOf, hexOf } from '../../shared/oci/digest.ts';
import type { Descriptor, Digest } from '../../shared/oci/types.ts';
import type { HostCache } from './host-cache.ts';

const documentsSchema = z.strictObject({ manifest: z.string(), config: z.string() });

/** What of a manifest and a configuration leads from an image to its layers. */
const manifestSchema = z.object({
  config: z.object({ digest: digestSchema }),
  layers: z.array(z.object({ mediaType: z.string(), digest: digestSchema, size: z.number() })),
});
const configSchema = z.object({ rootfs: z.object({ diff_ids: z.array(digestSchema) }) });

/** The documents of an image that was sent from here before, or was built here. */
export async function documentsOf(cache: HostCache, digest: Digest): Promise<Documents | undefined> {
  try {
    const kept = await cache.read('documents', hexOf(digest));
    if (kept) return checked(digest, documentsSchema.parse(JSON.parse(kept.toString())));
    const { localStore } = await import('../../compose/oci/layout.ts');
    const layout = localStore();
    if (!layout.has(digest)) return undefined;
    const manifest = (await layout.readBlob(digest)).toString();
    const config = (await layout.readBlob(manifestSchema.parse(JSON.parse(manifest)).config.digest)).toString();
    return checked(digest, { manifest, config });
  } catch {
    // Damaged, or gone meanwhile.
    return undefined;
  }
}

function checked(digest: Digest, documents: Documents): Documents | undefined {
  if (digestOf(documents.manifest) !== digest) return undefined;
  const { config } = manifestSchema.parse(JSON.parse(documents.manifest));
  return digestOf(documents.config) === config.digest ? documents : undefined;
}

export async function keepDocuments(cache: HostCache, digest: Digest, documents: Documents): Promise<void> {
  await cache.write('documents', hexOf(digest), JSON.stringify(documents));
}

/** The layers of an image, lowest first: the blob of each, and its tar. */
export function layersOf({ manifest, config }: Documents): { diffId: Digest; blob: Descriptor }[] {
  const { layers } = manifestSchema.parse(JSON.parse(manifest));
  const { diff_ids: diffIds } = configSchema.parse(JSON.parse(config)).rootfs;
  return layers.flatMap((blob, index) => {
    const diffId = diffIds[index];
    return diffId === undefined ? [] : [{ diffId, blob }];
  });
}

import type { AnnouncedImage, ImageOffer } from '../../shared/api/types.ts';
import { packDocuments } from '../../shared/delta/documents.ts';
import { heedsDictionaries } from '../../shared/delta/zstd.ts';
import type { ApiClient } from '../api-client.ts';
import { ApiError } from '../errors.ts';
import { imageOfferSchema } from '../schemas.ts';
import { documentsOf, keepDocuments } from './documents.ts';
import type { HostCache } from './host-cache.ts';
import type { ImageToSend } from './planner.ts';

interface Context {
  api: ApiClient;
  cache: HostCache;
  signal?: AbortSignal | undefined;
}

/** Tells the device of an image, and gets what it lacks of it. The documents are kept: the next image may differ little. */
export async function announce({ api, cache, signal }: Context, image: ImageToSend): Promise<ImageOffer> {
  const { digest, manifestText: manifest, configText: config } = image.source;
  const offer = await withDifferences(cache, [image], ([body]) =>
    api.post('/gantry/v1/images', imageOfferSchema, { body, ...(signal && { signal }) }),
  );
  await keepDocuments(cache, digest, { manifest, config });
  return offer;
}

/**
 * Calls `send` with what describes the images: as differences to those that the device has now, where this host knows them;
 * once more with everything when the device cannot take that.
 */
export async function withDifferences<T>(
  cache: HostCache,
  images: readonly ImageToSend[],
  send: (announced: AnnouncedImage[]) => Promise<T>,
): Promise<T> {
  const announced = await Promise.all(images.map((image) => smallest(cache, image)));
  try {
    return await send(announced);
  } catch (error) {
    // 400: an older device, to which the fields are unknown.
    const takesNone = error instanceof ApiError && (error.status === 422 || error.status === 400);
    if (!takesNone || announced.every(({ difference }) => difference === undefined)) throw error;
    return send(images.map(whole));
  }
}

function whole({ source: { ref, digest, manifestText: manifest, configText: config } }: ImageToSend): AnnouncedImage {
  return { ref, digest, manifest, config };
}

async function smallest(cache: HostCache, image: ImageToSend): Promise<AnnouncedImage> {
  const { former, source } = image;
  const known = former === undefined || !heedsDictionaries() ? undefined : await documentsOf(cache, former);
  if (!known) return whole(image);
  const { ref, digest, manifestText: manifest, configText: config } = source;
  const difference = (await packDocuments({ manifest, config }, known)).toString('base64');
  return { ref, digest, ...(former && { base: former }), difference };
}

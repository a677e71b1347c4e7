import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageOffer, SwapEvent } from '../shared/api/types.ts';
import { type Digest, mediaTypes } from '../shared/oci/types.ts';
import { formatBytes } from '../shared/text/format.ts';
import { TransportError } from '../transport/transport.ts';
import type { ApiClient } from './api-client.ts';
import type { Connection } from './connection.ts';
import { ImageError } from './errors.ts';
import type { ImageSource } from './image-source/types.ts';
import { imageOfferSchema } from './schemas.ts';
import { sendLayerBlob } from './transfer/send-blob.ts';
import { stage } from './transfer/stage-event.ts';
import type { Blob } from './transfer/verified.ts';

/** So long nothing may come over before we say so instead of trying for ever: an init container may begin anew. */
const patienceMs = 60_000;
const pauseMs = 500;

export interface UploadContext {
  api: ApiClient;
  connection: Connection;
  /** The component that the image is for. */
  component: string;
  signal?: AbortSignal;
}

/** How far each blob has come, and when something came over last. */
interface Attempts {
  gotOnAt: number;
  furthest: Map<Digest, number>;
}

/**
 * Brings an image to the device: announces it, then sends each layer that is missing there, verified against its digest
 * on the way. A broken connection is waited out; what has arrived is not sent again, also when the device or this host
 * began anew meanwhile. Yields `stage` events.
 */
export async function* uploadImage(context: UploadContext, source: ImageSource): AsyncGenerator<SwapEvent> {
  const { api, connection, component, signal } = context;
  const { ref, digest, manifestText: manifest, configText: config } = source;
  let fewestMissing = Number.POSITIVE_INFINITY;
  const attempts: Attempts = { gotOnAt: performance.now(), furthest: new Map() };
  for (;;) {
    try {
      const body = { ref, digest, manifest, config };
      const offer = await api.post('/gantry/v1/images', imageOfferSchema, { body, signal });
      if (offer.missing.length < fewestMissing) attempts.gotOnAt = performance.now();
      fewestMissing = Math.min(fewestMissing, offer.missing.length);
      yield* sendLayers(context, source, offer, attempts);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const vainMs = performance.now() - attempts.gotOnAt;
      if (!(error instanceof TransportError && error.retry) || vainMs > patienceMs) throw error;
      yield stage(component, `${error.message}; the upload goes on when the device is back`);
      await sleep(pauseMs, undefined, { signal });
      await connection.whenConnected(signal);
    }
  }
}

async function* sendLayers(
  context: UploadContext,
  source: ImageSource,
  offer: ImageOffer,
  attempts: Attempts,
): AsyncGenerator<SwapEvent> {
  const { component } = context;
  const total = offer.missing.reduce((sum, layer) => sum + layer.size, 0);
  const unknown = offer.missing.find((layer) => !source.manifest.layers.some(({ digest }) => digest === layer.digest));
  if (unknown) throw new ImageError(`the device asks for ${unknown.digest}, which is no layer of ${source.ref}`);
  const { room } = offer;
  if (room && room.collectedBytes > 0) {
    yield stage(component, `the device removed ${formatBytes(room.collectedBytes)} of old images to make room`);
  }
  if (room && room.needBytes > room.freeBytes) {
    const figures = `may need ${formatBytes(room.needBytes)}, ${formatBytes(room.freeBytes)} are free`;
    yield stage(component, `${source.ref} may not fit on the device: it ${figures}`);
  }
  const what = total === 0 ? `${source.ref}: nothing to send` : `sending ${source.ref}`;
  yield stage(component, what, { progress: { done: 0, total } });
  let sentBefore = 0;
  for (const layer of offer.missing) {
    const blob = blobOf(source, layer);
    let goesOnAt: number | undefined;
    const onResume = (digest: Digest, offset: number) => {
      goesOnAt = offset;
      if (offset <= (attempts.furthest.get(digest) ?? 0)) return;
      attempts.furthest.set(digest, offset);
      attempts.gotOnAt = performance.now();
    };
    const sending = { api: context.api, signal: context.signal, onResume };
    for await (const sent of sendLayerBlob(sending, layer.diffId, blob, `${source.ref}: the layer ${layer.digest}`)) {
      const progress = { done: sentBefore + sent, total };
      if (goesOnAt !== undefined) {
        const there = `${formatBytes(goesOnAt)} of a layer of ${formatBytes(blob.size)} are there already`;
        yield stage(component, `going on with ${source.ref}: ${there}`, { progress });
        goesOnAt = undefined;
      }
      yield stage(component, `sending ${source.ref}`, { progress });
    }
    sentBefore += layer.size;
  }
  if (total > 0) yield stage(component, `sent ${source.ref}`, { progress: { done: total, total } });
}

function blobOf(source: ImageSource, { mediaType, digest, size }: ImageOffer['missing'][number]): Blob {
  const descriptor = { mediaType: mediaType || mediaTypes.layer, digest, size };
  return { ...descriptor, open: () => source.openLayer(descriptor) };
}

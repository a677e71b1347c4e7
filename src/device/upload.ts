import { createHash } from 'node:crypto';
import { PassThrough, type Readable, Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageOffer, SwapEvent } from '../shared/api/types.ts';
import { messageOf } from '../shared/message-of.ts';
import { type Digest, mediaTypes } from '../shared/oci/types.ts';
import { formatBytes } from '../shared/text/format.ts';
import { sanitizeLine } from '../shared/text/sanitize.ts';
import { TransportError } from '../transport/transport.ts';
import type { ApiClient } from './api-client.ts';
import type { Connection } from './connection.ts';
import { ImageError } from './errors.ts';
import type { ImageSource } from './image-source/types.ts';
import { imageOfferSchema } from './schemas.ts';

/** Progress is told this often at most, so that a fast link is not spent on telling. */
const progressStepMs = 100;
/** Broken uploads in a row, none of which brought a layer over, before we say so instead of trying for ever. */
const mostVainAttempts = 5;
const pauseMs = 500;

export interface UploadContext {
  api: ApiClient;
  connection: Connection;
  /** The component that the image is for. */
  component: string;
  signal?: AbortSignal;
}

/**
 * Brings an image to the device: announces it, then sends each layer that is missing there, verified against its digest
 * on the way. A broken connection is waited out; layers that have arrived are not sent again. Yields `stage` events.
 */
export async function* uploadImage(context: UploadContext, source: ImageSource): AsyncGenerator<SwapEvent> {
  const { api, connection, component, signal } = context;
  const { ref, digest, manifestText: manifest, configText: config } = source;
  let fewestMissing = Number.POSITIVE_INFINITY;
  for (let vain = 0; ; ) {
    try {
      const body = { ref, digest, manifest, config };
      const offer = await api.post('/gantry/v1/images', imageOfferSchema, { body, signal });
      if (offer.missing.length < fewestMissing) vain = 0;
      fewestMissing = Math.min(fewestMissing, offer.missing.length);
      yield* sendLayers(context, source, offer);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransportError && error.retry) || ++vain >= mostVainAttempts) throw error;
      yield stage(component, `${error.message}; the upload goes on when the device is back`);
      await sleep(pauseMs, undefined, { signal });
      await connection.whenConnected(signal);
    }
  }
}

async function* sendLayers(context: UploadContext, source: ImageSource, offer: ImageOffer): AsyncGenerator<SwapEvent> {
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
  yield stage(component, what, { done: 0, total });
  let sentBefore = 0;
  for (const layer of offer.missing) {
    for await (const sent of sendLayer(context, source, layer)) {
      yield stage(component, `sending ${source.ref}`, { done: sentBefore + sent, total });
    }
    sentBefore += layer.size;
  }
  if (total > 0) yield stage(component, `sent ${source.ref}`, { done: total, total });
}

/** Sends one layer; yields the bytes sent so far, now and then. */
async function* sendLayer(
  context: UploadContext,
  source: ImageSource,
  layer: ImageOffer['missing'][number],
): AsyncGenerator<number> {
  const descriptor = { mediaType: layer.mediaType || mediaTypes.layer, digest: layer.digest, size: layer.size };
  const progress = new PassThrough({ objectMode: true });
  let told = 0;
  const body = verified(await source.openLayer(descriptor), layer.digest, layer.size, source.ref, (sent) => {
    const now = performance.now();
    if (now - told < progressStepMs) return;
    told = now;
    progress.write(sent);
  });
  const put = context.api
    .put(`/gantry/v1/layers/${layer.diffId}`, body, {
      headers: { 'Content-Type': descriptor.mediaType, 'X-Gantry-Digest': layer.digest },
      length: layer.size,
      signal: context.signal,
    })
    .then(
      () => progress.end(),
      (error: Error) => progress.destroy(error),
    );
  try {
    yield* progress as AsyncIterable<number>;
  } finally {
    // Whoever stopped listening stops the sending.
    body.destroy();
    await put;
  }
}

/**
 * The bytes of a layer, while their number and digest are right. The last bytes are held back until all were checked,
 * so that a wrong layer never arrives whole.
 */
function verified(
  blob: Readable,
  digest: Digest,
  size: number,
  ref: string,
  onProgress: (sent: number) => void,
): Readable {
  const hash = createHash('sha256');
  let sent = 0;
  let held: Buffer | undefined;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sent += chunk.length;
      if (sent > size) {
        done(new ImageError(`${ref}: the layer ${digest} is larger than its ${size} bytes: the image is damaged`));
        return;
      }
      const before = held;
      held = chunk;
      onProgress(sent);
      done(null, before);
    },
    flush(done) {
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual !== digest || sent !== size) {
        const what = sent === size ? `has the digest ${actual}` : `has ${sent} bytes instead of ${size}`;
        done(new ImageError(`${ref}: the layer ${digest} ${what}: the image is damaged, nothing was changed`));
      } else done(null, held);
    },
  });
  blob.on('error', (error) => {
    const damaged = `${ref}: the layer ${digest} cannot be read to its end: ${messageOf(error)}; nothing was changed`;
    check.destroy(error instanceof ImageError ? error : new ImageError(damaged, error));
  });
  check.on('close', () => blob.destroy());
  return blob.pipe(check);
}

function stage(component: string, message: string, progress?: SwapEvent['progress']): SwapEvent {
  const at = new Date().toISOString();
  return {
    stage: 'stage',
    component,
    at,
    message: sanitizeLine(message, { color: false }),
    sending: true,
    ...(progress && { progress }),
  };
}

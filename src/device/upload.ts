import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageOffer, SwapEvent } from '../shared/api/types.ts';
import type { Digest } from '../shared/oci/types.ts';
import { formatBytes } from '../shared/text/format.ts';
import { TransportError } from '../transport/transport.ts';
import type { ApiClient } from './api-client.ts';
import type { Connection } from './connection.ts';
import { ApiError, ImageError } from './errors.ts';
import type { ImageSource } from './image-source/types.ts';
import { announce } from './transfer/announce.ts';
import type { HostCache } from './transfer/host-cache.ts';
import {
  type ImageToSend,
  isWorthLooking,
  type PlannedPart,
  type PlannedTransfer,
  planTransfer,
} from './transfer/planner.ts';
import type { RateMeter } from './transfer/rate.ts';
import { sendLayerBlob } from './transfer/send-blob.ts';
import { lookingWords, planWords, roomWords, stage } from './transfer/stage-event.ts';
import type { Blob } from './transfer/verified.ts';

/** Nothing may come over for so long, while there is a connection, before we say so instead of trying for ever. */
const patienceMs = 60_000;
const pauseMs = 500;

export interface UploadContext {
  api: ApiClient;
  connection: Connection;
  cache: HostCache;
  rates: RateMeter;
  signal?: AbortSignal | undefined;
}

/** One sending of several images, over as many connections as it takes. */
interface Sending {
  images: readonly ImageToSend[];
  plan?: PlannedTransfer;
  /** How far each blob has come. */
  furthest: Map<Digest, number>;
  fewestMissing: number;
  /** When the first connection broke since something came over last. */
  vainSince?: number | undefined;
}

/**
 * Brings images to the device: announces them, works out what travels, then sends each layer that is missing there, verified
 * against its digest on the way. A broken connection is waited out; what has arrived is not sent again, also when the device
 * or this host began anew meanwhile. Yields `stage` events, of which one has the plan.
 */
export async function* uploadImages(context: UploadContext, images: readonly ImageToSend[]): AsyncGenerator<SwapEvent> {
  const { connection, signal } = context;
  const component = images[0]?.component;
  if (component === undefined) return;
  const sending: Sending = { images, furthest: new Map(), fewestMissing: Number.POSITIVE_INFINITY };
  for (;;) {
    try {
      yield* sendAll(context, sending);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const brokeAt = performance.now();
      const since = sending.vainSince ?? brokeAt;
      if (!(error instanceof TransportError && error.retry) || brokeAt - since > patienceMs) throw error;
      yield stage(component, `${error.message}; the upload goes on when the device is back`);
      await sleep(pauseMs, undefined, { signal });
      const awayAt = performance.now();
      await connection.whenConnected(signal);
      // A device that is away for long was not tried for long: it may be restarting.
      sending.vainSince = since + performance.now() - awayAt;
    }
  }
}

async function* sendAll(context: UploadContext, sending: Sending): AsyncGenerator<SwapEvent> {
  const { rates } = context;
  const offers: { image: ImageToSend; missing: ImageOffer['missing'] }[] = [];
  for (const image of sending.images) {
    const offer = await announce(context, image);
    yield* roomWords(image, offer);
    expectOwn(image.source, offer);
    offers.push({ image, missing: offer.missing });
  }
  const missing = new Set(offers.flatMap((offer) => offer.missing.map(({ diffId }) => diffId)));
  if (missing.size < sending.fewestMissing) sending.vainSince = undefined;
  sending.fewestMissing = Math.min(sending.fewestMissing, missing.size);
  // A device without a data partition forgets at a restart what it had when this was planned.
  const planned = new Set(sending.plan?.parts.map(({ diffId }) => diffId));
  if ([...missing].some((diffId) => !planned.has(diffId))) delete sending.plan;
  if (!sending.plan) {
    if (isWorthLooking(rates.rate, offers)) yield lookingWords(sending.images);
    sending.plan = await planTransfer({ ...context, rate: rates.rate }, offers);
    yield* planWords(sending.images, sending.plan);
  }
  const { plan } = sending;
  let before = 0;
  for (const part of plan.parts) {
    // What has arrived before a break is not asked for again.
    if (missing.has(part.diffId)) {
      for await (const event of sendPart(context, sending, plan, part)) {
        yield withProgress(event, before, plan.bytes, rates);
      }
    }
    before += part.bytes;
  }
  await plan.allArrived();
  const [last] = sending.images.slice(-1);
  const total = plan.bytes;
  if (last && total > 0) yield stage(last.component, `sent ${last.source.ref}`, { progress: { done: total, total } });
}

/** What goes on, and how many bytes of the part have left. */
interface PartEvent {
  component: string;
  message: string;
  sent: number;
}

/** The device cannot use this difference (422), or knows none (an older one: 400). Anything else would not help the whole either. */
const wantsWhole = [400, 415, 422];

/** A difference that the device cannot use is followed by the whole. */
async function* sendPart(
  context: UploadContext,
  sending: Sending,
  plan: PlannedTransfer,
  part: PlannedPart,
): AsyncGenerator<PartEvent> {
  const { blob, whole } = part;
  try {
    yield* sendBlob(context, sending, part, blob);
  } catch (error) {
    if (blob === whole || !(error instanceof ApiError && wantsWhole.includes(error.status))) throw error;
    yield { ...part, message: `${error.message}; sending all of it: ${formatBytes(whole.size)}`, sent: 0 };
    await part.refused?.();
    plan.bytes += whole.size - part.bytes;
    part.bytes = whole.size;
    part.blob = whole;
    yield* sendBlob(context, sending, part, whole);
  }
  await part.arrived?.();
}

async function* sendBlob(
  { api, rates, signal }: UploadContext,
  sending: Sending,
  { component, ref, diffId, bytes }: PlannedPart,
  blob: Blob,
): AsyncGenerator<PartEvent> {
  let goesOnAt: number | undefined;
  let left: number | undefined;
  const onOffset = (digest: Digest, offset: number) => {
    if (offset > 0) goesOnAt = offset;
    left = undefined;
    if (offset > (sending.furthest.get(digest) ?? 0)) sending.vainSince = undefined;
    sending.furthest.set(digest, offset);
  };
  let at = performance.now();
  for await (const sent of sendLayerBlob(
    { api, signal, bytesPerSecond: () => rates.rate.bytesPerSecond, onOffset },
    diffId,
    blob,
    `${ref}: the layer ${blob.digest}`,
  )) {
    if (sent > (sending.furthest.get(blob.digest) ?? 0)) {
      sending.furthest.set(blob.digest, sent);
      sending.vainSince = undefined;
    }
    const event = { component, sent: Math.min(sent, bytes) };
    if (goesOnAt !== undefined) {
      const there = `${formatBytes(goesOnAt)} of a layer of ${formatBytes(blob.size)} are there already`;
      yield { ...event, message: `going on with ${ref}: ${there}` };
      goesOnAt = undefined;
    }
    yield { ...event, message: `sending ${ref}` };
    const now = performance.now();
    if (left !== undefined) rates.add(sent - left, now - at);
    left = sent;
    at = now;
  }
}

function withProgress(
  { component, message, sent }: PartEvent,
  before: number,
  total: number,
  rates: RateMeter,
): SwapEvent {
  const done = before + sent;
  const { bytesPerSecond } = rates.rate;
  const secondsLeft = (total - done) / bytesPerSecond;
  return stage(component, message, { progress: { done, total, bytesPerSecond, secondsLeft } });
}

function expectOwn(source: ImageSource, offer: ImageOffer): void {
  const { layers } = source.manifest;
  const isOwn = (one: ImageOffer['missing'][number]) =>
    layers.some(({ digest, size }) => digest === one.digest && size === one.size);
  const unknown = offer.missing.find((one) => !isOwn(one));
  if (unknown) throw new ImageError(`the device asks for ${unknown.digest}, which is no layer of ${source.ref}`);
}

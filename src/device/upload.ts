import type { ImageOffer, SwapEvent } from '../shared/api/types.ts';
import { formatBytes } from '../shared/text/format.ts';
import type { ApiClient } from './api-client.ts';
import type { Connection } from './connection.ts';
import { ApiError, ImageError } from './errors.ts';
import type { ImageSource } from './image-source/types.ts';
import { announce } from './transfer/announce.ts';
import type { HostCache } from './transfer/host-cache.ts';
import { patiently } from './transfer/patiently.ts';
import {
  type ImageToSend,
  isWorthLooking,
  type PlannedPart,
  type PlannedTransfer,
  planTransfer,
} from './transfer/planner.ts';
import type { RateMeter } from './transfer/rate.ts';
import { progressOf, Sending } from './transfer/sending.ts';
import { lookingWords, planWords, roomWords, stage } from './transfer/stage-event.ts';
import type { Blob } from './transfer/verified.ts';

export interface UploadContext {
  api: ApiClient;
  connection: Connection;
  cache: HostCache;
  rates: RateMeter;
  signal?: AbortSignal | undefined;
}

/** One sending of several images, over as many connections as it takes. */
interface Upload {
  images: readonly ImageToSend[];
  plan?: PlannedTransfer;
  sending: Sending;
  fewestMissing: number;
}

/**
 * Brings images to the device: announces them, works out what travels, then sends each layer that is missing there, verified
 * against its digest on the way. A broken connection is waited out; what has arrived is not sent again, also when the device
 * or this host began anew meanwhile. Yields `stage` events, of which one has the plan.
 */
export async function* uploadImages(context: UploadContext, images: readonly ImageToSend[]): AsyncGenerator<SwapEvent> {
  const component = images[0]?.component;
  if (component === undefined) return;
  const upload: Upload = { images, sending: new Sending(context), fewestMissing: Number.POSITIVE_INFINITY };
  yield* patiently(
    context,
    (gotOn) => sendAll(context, upload, gotOn),
    ({ message }) => stage(component, `${message}; the upload goes on when the device is back`),
  );
}

async function* sendAll(context: UploadContext, upload: Upload, gotOn: () => void): AsyncGenerator<SwapEvent> {
  const { rates } = context;
  const offers: { image: ImageToSend; missing: ImageOffer['missing'] }[] = [];
  for (const image of upload.images) {
    const offer = await announce(context, image);
    yield* roomWords(image, offer);
    expectOwn(image.source, offer);
    offers.push({ image, missing: offer.missing });
  }
  const missing = new Set(offers.flatMap((offer) => offer.missing.map(({ diffId }) => diffId)));
  if (missing.size < upload.fewestMissing) gotOn();
  upload.fewestMissing = Math.min(upload.fewestMissing, missing.size);
  // A device without a data partition forgets at a restart what it had when this was planned.
  const planned = new Set(upload.plan?.parts.map(({ diffId }) => diffId));
  if ([...missing].some((diffId) => !planned.has(diffId))) delete upload.plan;
  if (!upload.plan) {
    if (isWorthLooking(rates.rate, offers)) yield lookingWords(upload.images);
    upload.plan = await planTransfer({ ...context, rate: rates.rate }, offers);
    yield* planWords(upload.images, upload.plan);
  }
  const { plan } = upload;
  let before = 0;
  for (const part of plan.parts) {
    // What has arrived before a break is not asked for again.
    if (missing.has(part.diffId)) {
      for await (const event of sendPart(upload, plan, part, gotOn)) {
        yield withProgress(event, before, plan.bytes, rates);
      }
    }
    before += part.bytes;
  }
  await plan.allArrived();
  const [last] = upload.images.slice(-1);
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
  upload: Upload,
  plan: PlannedTransfer,
  part: PlannedPart,
  gotOn: () => void,
): AsyncGenerator<PartEvent> {
  const { blob, whole } = part;
  try {
    yield* sendAs(upload, part, blob, gotOn);
  } catch (error) {
    if (blob === whole || !(error instanceof ApiError && wantsWhole.includes(error.status))) throw error;
    yield { ...part, message: `${error.message}; sending all of it: ${formatBytes(whole.size)}`, sent: 0 };
    await part.refused?.();
    plan.bytes += whole.size - part.bytes;
    part.bytes = whole.size;
    part.blob = whole;
    yield* sendAs(upload, part, whole, gotOn);
  }
  await part.arrived?.();
}

async function* sendAs(
  { sending }: Upload,
  { component, ref, diffId, bytes }: PlannedPart,
  blob: Blob,
  gotOn: () => void,
): AsyncGenerator<PartEvent> {
  const target = { path: `/gantry/v1/layers/${diffId}` };
  for await (const { sent, goesOnAt } of sending.send(target, blob, `${ref}: the layer ${blob.digest}`, gotOn)) {
    const event = { component, sent: Math.min(sent, bytes) };
    if (goesOnAt !== undefined) {
      const there = `${formatBytes(goesOnAt)} of a layer of ${formatBytes(blob.size)} are there already`;
      yield { ...event, message: `going on with ${ref}: ${there}` };
    }
    yield { ...event, message: `sending ${ref}` };
  }
}

function withProgress(
  { component, message, sent }: PartEvent,
  before: number,
  total: number,
  rates: RateMeter,
): SwapEvent {
  return stage(component, message, { progress: progressOf(before + sent, total, rates.rate) });
}

function expectOwn(source: ImageSource, offer: ImageOffer): void {
  const { layers } = source.manifest;
  const isOwn = (one: ImageOffer['missing'][number]) =>
    layers.some(({ digest, size }) => digest === one.digest && size === one.size);
  const unknown = offer.missing.find((one) => !isOwn(one));
  if (unknown) throw new ImageError(`the device asks for ${unknown.digest}, which is no layer of ${source.ref}`);
}

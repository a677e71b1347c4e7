import { z } from 'zod';
import type { ImageOffer, TransferPart, TransferPlan, TransferRate } from '../../shared/api/types.ts';
import { digestSchema } from '../../shared/definition/revision.ts';
import { heedsDictionaries } from '../../shared/delta/zstd.ts';
import { type Digest, mediaTypes } from '../../shared/oci/types.ts';
import type { ApiClient } from '../api-client.ts';
import { effortFor } from '../delta/compressors.ts';
import { ApiError } from '../errors.ts';
import type { ImageSource } from '../image-source/types.ts';
import { basesFor, type Former } from './bases.ts';
import { DeviceLayers } from './device-layers.ts';
import { documentsOf, layersOf } from './documents.ts';
import type { CachedTar, HostCache } from './host-cache.ts';
import { difference } from './make-difference.ts';
import { type Blob, verified } from './verified.ts';

/** A layer that is sent sooner than this is not looked into. */
const soonSeconds = 0.05;
/** Recipes of other layers are asked for while they cost less than this part of what travels. */
const recipeShare = 0.02;
/** What an answer of the device costs besides its content. In bytes. */
const answerBytes = 200;

/** An image of which the device may lack something. */
export interface ImageToSend {
  component: string;
  source: ImageSource;
  /** What the component has now. */
  former?: Digest;
}

/** A layer that travels: as `blob`, or as `whole` should the device not take that. */
export interface PlannedPart extends TransferPart {
  blob: Blob;
  whole: Blob;
  /** To be called when the device has the layer. */
  arrived?: () => Promise<void>;
  /** To be called when the device cannot use the difference. */
  refused?: () => Promise<void>;
}

export interface PlannedTransfer extends TransferPlan {
  parts: PlannedPart[];
  /** To be called when the device has all of it. */
  allArrived(): Promise<void>;
}

export interface PlannerContext {
  api: ApiClient;
  cache: HostCache;
  rate: TransferRate;
  signal?: AbortSignal | undefined;
}

/** The plan as it is shown. */
export function shownTransfer({ parts, allArrived: _allArrived, ...plan }: PlannedTransfer): TransferPlan {
  return {
    ...plan,
    parts: parts.map(({ blob: _blob, whole: _whole, arrived: _arrived, refused: _refused, ...part }) => part),
  };
}

const inspectedSchema = z.object({ RootFS: z.object({ Layers: z.array(digestSchema) }) });

/**
 * Works out what travels for several images: each layer whole, or as a difference to what the device has, whichever is
 * smaller. Changes nothing on the device.
 */
export async function planTransfer(
  context: PlannerContext,
  images: readonly { image: ImageToSend; missing: ImageOffer['missing'] }[],
): Promise<PlannedTransfer> {
  const { rate } = context;
  const bytes = wholeBytes(images);
  const device = isWorthLooking(rate, images) ? await DeviceLayers.read(context) : undefined;
  const present = device ? await contentsOf(device, bytes) : new Set<Digest>();
  const parts = new Map<Digest, PlannedPart>();
  for (const { image, missing } of images) {
    for (const layer of missing) {
      if (!parts.has(layer.diffId)) parts.set(layer.diffId, await planLayer(context, device, present, image, layer));
    }
  }
  const total = [...parts.values()].reduce((sum, part) => sum + part.bytes, 0);
  const allArrived = async () => device?.noteArrived([...parts.keys()]);
  return { bytes: total, seconds: total / rate.bytesPerSecond, rate, parts: [...parts.values()], allArrived };
}

/** Whether differences would be sooner there than everything. To make them can take a while. */
export function isWorthLooking(rate: TransferRate, images: readonly { missing: ImageOffer['missing'] }[]): boolean {
  return wholeBytes(images) > rate.bytesPerSecond * soonSeconds && heedsDictionaries();
}

function wholeBytes(images: readonly { missing: ImageOffer['missing'] }[]): number {
  return images.flatMap(({ missing }) => missing).reduce((sum, { size }) => sum + size, 0);
}

/** The contents of all layers of the device whose recipes are known here, or cost little against `bytes` that travel. */
async function contentsOf(device: DeviceLayers, bytes: number): Promise<Set<Digest>> {
  const present = new Set<Digest>();
  const costOf = (diffId: Digest) => device.costOf(diffId) + answerBytes;
  const unknown: Digest[] = [];
  for (const diffId of device.all) {
    const recipe = await device.known(diffId);
    if (!recipe) unknown.push(diffId);
    for (const { sha256 } of recipe?.contents ?? []) present.add(sha256);
  }
  let budget = bytes * recipeShare;
  for (const diffId of unknown.toSorted((a, b) => costOf(a) - costOf(b))) {
    budget -= costOf(diffId);
    if (budget < 0) break;
    for (const { sha256 } of (await device.recipe(diffId))?.contents ?? []) present.add(sha256);
  }
  return present;
}

async function planLayer(
  context: PlannerContext,
  device: DeviceLayers | undefined,
  present: Set<Digest>,
  image: ImageToSend,
  layer: ImageOffer['missing'][number],
): Promise<PlannedPart> {
  const { cache, rate, signal } = context;
  const { component, source } = image;
  const { diffId, digest, size } = layer;
  const descriptor = { mediaType: layer.mediaType || mediaTypes.layer, digest, size };
  const whole: Blob = { ...descriptor, open: () => source.openLayer(descriptor) };
  const part = { component, ref: source.ref, diffId, wholeBytes: size, whole };
  const sentWhole: PlannedPart = { ...part, method: 'whole', bytes: size, blob: whole };
  if (!device || size < rate.bytesPerSecond * soonSeconds) return sentWhole;
  const tar = await tarOf(cache, source.ref, diffId, whole);
  if (!tar) return sentWhole;
  const former = image.former === undefined ? [] : await formerLayers(context, image.former);
  const kept = new Set(source.config.rootfs.diff_ids);
  const bases = await basesFor(tar.recipe, former, kept, { cache, device });
  for (const { sha256 } of bases.present) present.add(sha256);
  const made = await madeOf(cache, tar, { bases, present, effort: effortFor(rate.bytesPerSecond), signal });
  // The layers that follow can build on this one.
  for (const { sha256 } of tar.recipe.contents) present.add(sha256);
  if (!made) return sentWhole;
  const { blob, files, arrived, refused } = made;
  if (blob.size >= size) return { ...sentWhole, files };
  return { ...part, method: 'difference', bytes: blob.size, files, blob, arrived, refused };
}

/** Undefined when it cannot be made: what is kept here is damaged, or goes meanwhile. Then the layer itself must do. */
async function madeOf(cache: HostCache, tar: CachedTar, from: Parameters<typeof difference>[2]) {
  try {
    return await difference(cache, tar, from);
  } catch {
    from.signal?.throwIfAborted();
    await cache.distrust([tar.diffId, ...from.bases.diffIds]);
    return undefined;
  }
}

async function tarOf(cache: HostCache, ref: string, diffId: Digest, whole: Blob): Promise<CachedTar | undefined> {
  const kept = await cache.tar(diffId);
  if (kept) return kept;
  const blob = await verified(whole, `${ref}: the layer ${whole.digest}`, 0, () => undefined);
  return cache.keepTar(diffId, whole.mediaType, blob);
}

/** Lowest first. */
async function formerLayers({ api, cache, signal }: PlannerContext, former: Digest): Promise<Former[]> {
  const documents = await documentsOf(cache, former);
  if (documents) return layersOf(documents);
  try {
    const { RootFS } = await api.get(`/images/${former}/json`, inspectedSchema, { signal });
    return RootFS.Layers.map((diffId) => ({ diffId }));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

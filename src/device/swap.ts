import { z } from 'zod';
import type { DeviceInfo, SwapChange, SwapEvent, SwapPlan, SwapPlanRequest, SwapRequest } from '../shared/api/types.ts';
import type { ComponentConfig } from '../shared/definition/component-config.ts';
import { type Revision, revisionDigest, revisionSchema } from '../shared/definition/revision.ts';
import { hexOf } from '../shared/oci/digest.ts';
import type { ApiClient } from './api-client.ts';
import { changeConfig, environmentOf } from './config-change.ts';
import type { Connection } from './connection.ts';
import type { Device, SwapOptions, SwapOrder } from './device.ts';
import { UnknownComponentError } from './errors.ts';
import { followSwap } from './follow-swap.ts';
import type { ImageSource } from './image-source/types.ts';
import { isContainer } from './readings/component-rows.ts';
import { swapPlanSchema } from './schemas.ts';
import type { HostCache } from './transfer/host-cache.ts';
import type { ImageToSend } from './transfer/planner.ts';
import type { RateMeter } from './transfer/rate.ts';

export interface SwapContext {
  api: ApiClient;
  connection: Connection;
  device: Pick<Device, 'info'>;
  cache: HostCache;
  rates: RateMeter;
  signal?: AbortSignal | undefined;
}

interface Prepared {
  changes: SwapChange[];
  /** In the order of `changes`, of those that have another image. */
  images: ImageToSend[];
}

/** Sends what the device lacks, then swaps and follows it to its end. See `Device.swap`. */
export async function* swapComponents(
  context: SwapContext,
  orders: readonly SwapOrder[],
  { retry = false, stable }: Pick<SwapOptions, 'retry' | 'stable'>,
): AsyncGenerator<SwapEvent> {
  const prepared = await prepare(context, orders);
  try {
    const { uploadImages } = await import('./upload.ts');
    yield* uploadImages(context, prepared.images);
    const request: SwapRequest = { changes: prepared.changes, retry, ...stableOf(stable) };
    yield* followSwap(context, namesOf(orders), '/gantry/v1/swap', request);
  } finally {
    await close(prepared);
  }
}

/** What that would do; nothing is sent but what describes the images. */
export async function planSwap(
  context: SwapContext,
  orders: readonly SwapOrder[],
  { stable }: Pick<SwapOptions, 'stable'>,
): Promise<SwapPlan> {
  const prepared = await prepare(context, orders);
  try {
    const { withDifferences } = await import('./transfer/announce.ts');
    const { planTransfer, shownTransfer } = await import('./transfer/planner.ts');
    const plan = await withDifferences(context.cache, prepared.images, (images) => {
      const body: SwapPlanRequest = { changes: prepared.changes, images, ...stableOf(stable) };
      return context.api.post('/gantry/v1/swap/plan', swapPlanSchema, {
        body,
        ...(context.signal && { signal: context.signal }),
      });
    });
    const offers = plan.send.flatMap(({ ref, missing }) => {
      const image = prepared.images.find(({ source }) => source.ref === ref);
      return image && missing ? [{ image, missing }] : [];
    });
    // An older device does not say which layers it lacks.
    if (offers.length < plan.send.length) return plan;
    const transfer = await planTransfer({ ...context, rate: context.rates.rate }, offers);
    return { ...plan, transfer: shownTransfer(transfer) };
  } finally {
    await close(prepared);
  }
}

/** A device that does not know the field yet is not told of it without need. */
function stableOf(stable: string | undefined): { stable?: string } {
  return stable === undefined ? {} : { stable };
}

/** Finds the images and works out the configurations: before a byte travels, wrong names are found. */
async function prepare(context: SwapContext, orders: readonly SwapOrder[]): Promise<Prepared> {
  const { arch, revision: inForce } = await context.device.info();
  // As it is: what of it stays is sent back, and a tab in a file must stay one.
  const revision = await revisionOf(context, inForce);
  for (const { name } of orders) {
    if (!Object.hasOwn(revision.components, name)) {
      throw new UnknownComponentError(name, Object.keys(revision.components));
    }
  }
  const prepared: Prepared = { changes: [], images: [] };
  try {
    for (const order of orders) {
      const source = order.image === undefined ? undefined : await open(order.image, arch, context.signal);
      const former = revision.components[order.name]?.image.digest;
      if (source) prepared.images.push({ component: order.name, source, ...(former && { former }) });
      const config = await configOf(context, order, revision, source);
      prepared.changes.push({
        name: order.name,
        ...(source ? { image: { ref: source.ref, digest: source.digest } } : {}),
        ...(config ? { config } : {}),
      });
    }
  } catch (error) {
    await close(prepared);
    throw error;
  }
  return prepared;
}

/** Its digest names its content: one that this host has seen is not asked for again. */
async function revisionOf({ api, cache, signal }: SwapContext, { number, digest }: DeviceInfo['revision']) {
  const kept = await cache.read('revisions', hexOf(digest));
  const known = kept && revisionSchema.safeParse(parsed(kept.toString()));
  if (known?.success && revisionDigest(known.data) === digest) return known.data;
  const revision = await api.get(`/gantry/v1/revisions/${number}`, revisionSchema, { texts: 'raw', signal });
  if (revisionDigest(revision) === digest) await cache.write('revisions', hexOf(digest), JSON.stringify(revision));
  return revision;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function open(image: string, arch: 'amd64' | 'arm64', signal: AbortSignal | undefined): Promise<ImageSource> {
  const { openImageSource } = await import('./image-source/index.ts');
  return openImageSource(image, { arch, ...(signal ? { signal } : {}) });
}

async function configOf(
  context: SwapContext,
  { name, config: change }: SwapOrder,
  revision: Revision,
  source: ImageSource | undefined,
): Promise<ComponentConfig | undefined> {
  const present = revision.components[name]?.config;
  if (!change || !present) return undefined;
  const asks = (change.env ?? []).length > 0;
  if (asks && !source && !isContainer({ kind: revision.components[name]?.kind ?? 'service' })) {
    throw new Error(`${name} is no system container: it has no variables to change`);
  }
  const environment = source ? environmentOf(source.config) : asks ? await environmentNow(context, name) : [];
  return changeConfig(present, change, environment);
}

const inspectedSchema = z.object({ Config: z.object({ Env: z.array(z.string()).default([]) }) });

async function environmentNow({ api, signal }: SwapContext, name: string): Promise<string[]> {
  const path = `/containers/${encodeURIComponent(name)}/json`;
  return (await api.get(path, inspectedSchema, { texts: 'raw', signal })).Config.Env;
}

async function close({ images }: Prepared): Promise<void> {
  for (const { source } of images) await source.close();
}

function namesOf(orders: readonly SwapOrder[]): string {
  return orders.map(({ name }) => name).join(', ');
}

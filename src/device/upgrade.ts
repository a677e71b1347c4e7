import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type UpgradeImage, type UpgradeStatus, upgradeStatusSchema } from '../shared/api/types.ts';
import { deltaMediaType } from '../shared/delta/format.ts';
import { formatBytes } from '../shared/text/format.ts';
import { TransportError } from '../transport/transport.ts';
import { ApiError } from './errors.ts';
import { patiently } from './transfer/patiently.ts';
import type { BlobTarget } from './transfer/send-blob.ts';
import { progressOf, Sending } from './transfer/sending.ts';
import type { Blob } from './transfer/verified.ts';
import { describeImage } from './upgrade/describe-image.ts';
import { basesOf, type PlannedUpgrade, planImage, queryOf, type UpgradePlan, upgradePath } from './upgrade/plan.ts';
import { upgradeWords } from './upgrade/words.ts';
import type { UploadContext } from './upload.ts';

const pauseMs = 1000;

/** Said when nothing is left to be sent. */
export const restarting = 'the device restarts into it, and keeps it when everything in it is healthy';

/** What an upgrade tells on its way. */
export interface UpgradeProgress {
  message: string;
  /** Bytes sent so far and to send. */
  progress?: { done: number; total: number; bytesPerSecond?: number; secondsLeft?: number };
  /** What travels, before it does. */
  plan?: UpgradePlan;
}

/** What an upgrade would send; nothing is sent. Rejects when the device would not take the image. */
export async function planUpgrade(context: UploadContext, dir: string): Promise<UpgradePlan> {
  const { shown } = await planImage({ ...context, rate: context.rates.rate }, dir, await describeImage(dir));
  return shown;
}

/**
 * Sends what the device lacks of a composed image, has the device restart into it and waits until the device has decided whether it
 * stays. Yields what happens; the value of the end says what became of it.
 */
export async function* upgradeDevice(
  context: UploadContext,
  dir: string,
): AsyncGenerator<UpgradeProgress, UpgradeStatus> {
  const { api, connection, cache, signal } = context;
  const image = await describeImage(dir);
  yield* sendImage(context, dir, image);
  await api.send('POST', upgradePath, { body: { id: image.id }, ...(signal && { signal }) });
  yield { message: restarting };
  for (;;) {
    signal?.throwIfAborted();
    try {
      const status = await api.get(upgradePath, upgradeStatusSchema, { ...(signal && { signal }) });
      if (status.id !== image.id) throw new Error(`another image (${status.id}) was sent to the device meanwhile`);
      // The next one is compared with what the device runs from now on.
      if (status.state === 'kept')
        for (const { name, digest } of image.files) await cache.images.keep(join(dir, name), digest);
      if (status.state === 'kept' || status.state === 'failed') return status;
    } catch (error) {
      if (!(error instanceof TransportError && error.retry)) throw error;
      await connection.whenConnected(signal);
    }
    await sleep(pauseMs, undefined, { ...(signal && { signal }) });
  }
}

/** One sending, over as many connections as it takes. */
interface Upgrade {
  dir: string;
  image: UpgradeImage;
  sending: Sending;
  plan?: PlannedUpgrade;
  /** The device could not use the difference. */
  isWhole: boolean;
}

async function* sendImage(context: UploadContext, dir: string, image: UpgradeImage): AsyncGenerator<UpgradeProgress> {
  const upgrade: Upgrade = { dir, image, sending: new Sending(context), isWhole: false };
  yield* patiently<UpgradeProgress>(
    context,
    (gotOn) => sendOnce(context, upgrade, gotOn),
    ({ message }) => ({ message: `${message}; the upgrade goes on when the device is back` }),
  );
}

async function* sendOnce(context: UploadContext, upgrade: Upgrade, gotOn: () => void): AsyncGenerator<UpgradeProgress> {
  const { dir, image } = upgrade;
  const { rate } = context.rates;
  if (!upgrade.plan) {
    yield { message: `working out what of ${image.name} (${image.id}) differs from what the device has` };
    upgrade.plan = await planImage({ ...context, rate }, dir, image);
    gotOn();
    const { shown } = upgrade.plan;
    yield {
      message: `${image.name}: ${upgradeWords(shown)}`,
      progress: { done: 0, total: shown.bytes },
      plan: shown,
    };
  } else if (await isWritten(context, image)) return;
  const { shown, difference, whole } = upgrade.plan;
  if (shown.method === 'written') return;
  if (difference && !upgrade.isWhole) {
    try {
      yield* sendAs(context, upgrade, difference.blob, gotOn);
      await difference.arrived();
      return;
    } catch (error) {
      if (!(error instanceof ApiError && (error.status === 422 || error.status === 507))) throw error;
      upgrade.isWhole = true;
      const all = `sending all of it: ${formatBytes(shown.wholeBytes)}`;
      yield { message: `${error.message}; ${all}`, progress: { done: 0, total: shown.wholeBytes } };
    }
  }
  yield* sendAs(context, upgrade, await whole(), gotOn);
  await difference?.arrived();
}

/** The answer to an upload that was used may have been lost with the connection. */
async function isWritten({ api, signal }: UploadContext, image: UpgradeImage): Promise<boolean> {
  try {
    return (await basesOf({ api, signal }, image))?.written ?? false;
  } catch (error) {
    // It is being written just now: whoever asks for the same again waits for that.
    if (error instanceof ApiError && error.status === 409) return false;
    throw error;
  }
}

async function* sendAs(
  { rates }: UploadContext,
  { image, sending, plan }: Upgrade,
  blob: Blob,
  gotOn: () => void,
): AsyncGenerator<UpgradeProgress> {
  const isDifference = blob.mediaType === deltaMediaType;
  const target: BlobTarget = {
    path: `${upgradePath}?${queryOf(image)}`,
    parts: isDifference ? 'only' : plan?.resumes ? 'large' : 'never',
    // What a difference makes takes the room of the slot, which the device has looked at.
    makes: isDifference ? 0 : blob.size,
  };
  for await (const { sent, goesOnAt } of sending.send(target, blob, `the image ${image.name}`, gotOn)) {
    const progress = progressOf(Math.min(sent, blob.size), blob.size, rates.rate);
    if (goesOnAt !== undefined) {
      const there = `${formatBytes(goesOnAt)} of ${formatBytes(blob.size)} are there already`;
      yield { message: `going on with ${image.name}: ${there}`, progress };
    }
    yield { message: `sending ${image.name} (${image.id})`, progress };
  }
  yield { message: `sent ${image.name} (${image.id})`, progress: { done: blob.size, total: blob.size } };
}

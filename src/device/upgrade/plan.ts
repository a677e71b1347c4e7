import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { TransferRate, UpgradeBases, UpgradeImage } from '../../shared/api/types.ts';
import { upgradeBasesSchema } from '../../shared/api/types.ts';
import { imageRecipe, imageTar } from '../../shared/boot/image-tar.ts';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { openFile } from '../../shared/delta/byte-source.ts';
import { heedsDictionaries } from '../../shared/delta/zstd.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import type { ApiClient } from '../api-client.ts';
import { effortFor } from '../delta/compressors.ts';
import { ApiError } from '../errors.ts';
import { BaseContents, type Bases } from '../transfer/bases.ts';
import type { HostCache } from '../transfer/host-cache.ts';
import { type Difference, difference } from '../transfer/make-difference.ts';
import type { Blob } from '../transfer/verified.ts';

/** Files are compared with older ones at 50 MB a second; above this rate they are there before that has ended. Bytes a second. */
const sentSooner = 25e6;

/** A file of the image that is sent. */
export interface UpgradePart {
  name: string;
  /** `there`: the device has it. `difference`: to a file that the device has. */
  method: 'there' | 'difference' | 'whole';
  bytes: number;
  wholeBytes: number;
  /** Why it travels whole. */
  why?: string;
}

/** What an upgrade sends. */
export interface UpgradePlan {
  image: { name: string; id: string };
  /** `written`: the device has all of it. */
  method: 'written' | 'difference' | 'whole';
  bytes: number;
  wholeBytes: number;
  seconds: number;
  rate: TransferRate;
  parts: UpgradePart[];
}

export interface PlannedUpgrade {
  shown: UpgradePlan;
  /** Undefined when it is written, or is sent whole. */
  difference?: Difference;
  whole: () => Promise<Blob>;
  /** The device keeps what has come of a blob. */
  resumes: boolean;
}

export interface PlanContext {
  api: ApiClient;
  cache: HostCache;
  rate: TransferRate;
  signal?: AbortSignal | undefined;
}

export const upgradePath = '/gantry/v1/upgrade';

export function queryOf(image: UpgradeImage): string {
  return `image=${encodeURIComponent(JSON.stringify(image))}`;
}

/**
 * Works out what of an image travels. Rejects with an `ApiError` when the device would not take the image. Nothing is changed there.
 */
export async function planImage(context: PlanContext, dir: string, image: UpgradeImage): Promise<PlannedUpgrade> {
  const { rate } = context;
  const bases = await basesOf(context, image);
  const wholeBytes = image.files.reduce((sum, { size }) => sum + size, 0);
  const plan = (method: UpgradePlan['method'], parts: UpgradePart[], bytes: number): UpgradePlan => ({
    image: { name: image.name, id: image.id },
    ...{ method, bytes, wholeBytes, seconds: bytes / rate.bytesPerSecond, rate, parts },
  });
  const whole = { whole: () => wholeOf(dir, image), resumes: bases !== undefined };
  if (bases?.written) return { ...whole, shown: plan('written', image.files.map(there), 0) };
  const sentWhole = (why?: string): PlannedUpgrade => {
    const parts = image.files.map((file) => ({
      ...partOf(file, 'whole', file.size),
      ...(why !== undefined && { why }),
    }));
    return { ...whole, shown: plan('whole', parts, wholeBytes) };
  };
  if (!bases) return sentWhole('the device has an older version of Gantry, which takes no differences');
  if (!heedsDictionaries()) return sentWhole('this Node cannot make differences');
  if (rate.bytesPerSecond > sentSooner) return sentWhole('it is sent sooner than it is compared');
  const here = await basesHere(context.cache, bases, image);
  const { contents, others, present } = here;
  const unlike = (name: string) =>
    bases.files.some((file) => file.name === name)
      ? `this host does not have the ${name} that the device has`
      : `the device has no ${name} that it could be compared with`;
  if (image.files.every(({ name, digest }) => !present.has(digest) && !others.some(({ path }) => path === name)))
    return sentWhole(unlike('root.img'));
  const target = targetOf(dir, image, others);
  const made = await difference(context.cache, target, {
    bases: { recipes: [], diffIds: [], others, contents, present: [] },
    present,
    effort: effortFor(rate.bytesPerSecond),
  });
  const parts = image.files.map((file) => madePart(image, file, { ...here, made, unlike: unlike(file.name) }));
  if (made.blob.size >= wholeBytes) return sentWhole('nothing of it is like what the device has');
  return { ...whole, difference: made, shown: plan('difference', parts, made.blob.size) };
}

/** `unlike`: why the file has no base. */
function madePart(
  image: UpgradeImage,
  file: ImageFile,
  { made, others, present, unlike }: BasesHere & { made: Difference; unlike: string },
): UpgradePart {
  if (present.has(file.digest)) return there(file);
  const operation = made.operations.find(({ paths }) => paths.includes(file.name));
  // Small files travel together.
  const together = image.files.filter(({ name }) => operation?.paths.includes(name));
  const share = file.size / together.reduce((sum, { size }) => sum + size, 0);
  const bytes = Math.round((operation?.bytes ?? 0) * share);
  if (operation?.kind === 'add' || operation?.kind === 'dictionary') return partOf(file, 'difference', bytes);
  const alike = others.some(({ path }) => path === file.name);
  const why = alike ? `nothing of it is like the ${file.name} that the device has` : unlike;
  return { ...partOf(file, 'whole', bytes), why };
}

type ImageFile = UpgradeImage['files'][number];

function partOf({ name, size }: ImageFile, method: UpgradePart['method'], bytes: number): UpgradePart {
  return { name, method, bytes, wholeBytes: size };
}

function there(file: ImageFile): UpgradePart {
  return partOf(file, 'there', 0);
}

/** Undefined when the device does not know of differences to images: it is of an older version. */
export async function basesOf(
  { api, signal }: Pick<PlanContext, 'api' | 'signal'>,
  image: UpgradeImage,
): Promise<UpgradeBases | undefined> {
  try {
    return await api.get(`${upgradePath}/bases?${queryOf(image)}`, upgradeBasesSchema, { signal });
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return undefined;
    throw error;
  }
}

/** What can be built on. */
interface BasesHere {
  /** Files of the device that are on this host, too: of each name the one that the device names first. */
  contents: BaseContents;
  others: NonNullable<Bases['others']>;
  /** What the device has. */
  present: Set<Digest>;
}

async function basesHere(cache: HostCache, bases: UpgradeBases, image: UpgradeImage): Promise<BasesHere> {
  const present = new Set(bases.files.map(({ digest }) => digest));
  const contents = new BaseContents();
  const others: NonNullable<Bases['others']> = [];
  for (const { name, size, digest } of bases.files) {
    const isKnown = others.some(({ path }) => path === name);
    const wanted = !isKnown && image.files.some((file) => file.name === name && !present.has(file.digest));
    const path = wanted ? await cache.images.find(digest) : undefined;
    if (path === undefined) continue;
    contents.addFile({ path, sha256: digest, size });
    others.push({ sha256: digest, path: name, size, place: undefined });
  }
  return { contents, others, present };
}

function targetOf(dir: string, image: UpgradeImage, others: NonNullable<Bases['others']>) {
  const recipe = imageRecipe(image.files);
  // Another difference for other bases: a name for both.
  const diffId = digestOf(canonicalJson({ files: image.files, bases: others.map(({ sha256 }) => sha256) }));
  const open = async () => {
    const sources = await Promise.all(image.files.map(({ name }) => openFile(join(dir, name))));
    return imageTar(recipe, sources);
  };
  return { diffId, recipe, open };
}

/** The files, one after the other. */
async function wholeOf(dir: string, image: UpgradeImage): Promise<Blob> {
  const files = () => filesOf(dir, image);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of files()) {
    hash.update(chunk);
    size += chunk.length;
  }
  return {
    mediaType: 'application/octet-stream',
    digest: `sha256:${hash.digest('hex')}`,
    size,
    open: async () => Readable.from(files(), { objectMode: false }),
  };
}

async function* filesOf(dir: string, image: UpgradeImage): AsyncGenerator<Buffer> {
  for (const { name } of image.files) yield* createReadStream(join(dir, name)) as AsyncIterable<Buffer>;
}

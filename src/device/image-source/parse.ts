import { z } from 'zod';
import { digestSchema } from '../../shared/definition/revision.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import type { Arch, Descriptor, ImageConfig, Index, Manifest } from '../../shared/oci/types.ts';
import { ImageError } from '../errors.ts';

/** Images come from anywhere: what is used of them is checked, what is not is left alone. */
const descriptor = z.looseObject({
  mediaType: z.string(),
  digest: digestSchema,
  size: z.number().int().nonnegative(),
  annotations: z.record(z.string(), z.string()).optional(),
  platform: z.looseObject({ architecture: z.string(), os: z.string(), variant: z.string().optional() }).optional(),
}) satisfies z.ZodType<Descriptor>;

const indexSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(descriptor),
}) satisfies z.ZodType<Index>;

const manifestSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptor,
  layers: z.array(descriptor),
}) satisfies z.ZodType<Manifest>;

const configSchema = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  rootfs: z.looseObject({ type: z.literal('layers'), diff_ids: z.array(digestSchema) }),
});

export function parseIndex(text: string, what: string): Index {
  return parse(indexSchema, text, `${what}: the index`);
}

export function parseManifest(text: string, what: string): Manifest {
  return parse(manifestSchema, text, `${what}: the manifest`);
}

/** Checks what is used here; the device reads the rest itself. */
export function parseConfig(text: string, what: string): ImageConfig {
  return parse(configSchema, text, `${what}: the configuration`) as ImageConfig;
}

export function isIndexType(mediaType: string | undefined): boolean {
  return (
    mediaType === 'application/vnd.oci.image.index.v1+json' ||
    mediaType === 'application/vnd.docker.distribution.manifest.list.v2+json'
  );
}

export function checkDigest(text: string, expected: Descriptor, what: string): void {
  const actual = digestOf(text);
  if (actual === expected.digest) return;
  throw new ImageError(`${what}: what is stored as ${expected.digest} has the digest ${actual}: the image is damaged`);
}

/** The one image of an index for this architecture. Attestations (`unknown/unknown`) are passed over. */
export function selectPlatform(manifests: Descriptor[], arch: Arch, what: string): Descriptor {
  const images = manifests.filter(({ platform }) => platform?.os !== 'unknown');
  const fitting = images.filter(
    ({ platform }) => platform === undefined || (platform.os === 'linux' && platform.architecture === arch),
  );
  const exact = fitting.filter(({ platform }) => platform !== undefined);
  const [first] = exact.length > 0 ? exact : fitting;
  if (first) return first;
  const there = images.map(({ platform }) => `${platform?.os}/${platform?.architecture}`);
  throw new ImageError(`${what} has no image for linux/${arch}; it has: ${[...new Set(there)].join(', ') || 'none'}`);
}

function parse<T>(schema: z.ZodType<T>, text: string, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ImageError(`${what} is not JSON: ${(cause as Error).message}`, cause);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ImageError(`${what} is not valid: ${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'invalid'}`);
}

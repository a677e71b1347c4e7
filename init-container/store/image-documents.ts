import { z } from 'zod';
import type { AnnounceImage, ImageOffer } from '../../src/shared/api/types.ts';
import { digestSchema } from '../../src/shared/definition/revision.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { type Arch, type Digest, type ImageConfig, type Manifest, mediaTypes } from '../../src/shared/oci/types.ts';
import { messageOf, StoreError } from './errors.ts';
import { isLayerMediaType } from './receive-layer.ts';

const manifestTypes: string[] = [mediaTypes.manifest, 'application/vnd.docker.distribution.manifest.v2+json'];
const configTypes: string[] = [mediaTypes.config, 'application/vnd.docker.container.image.v1+json'];

const descriptorSchema = z.looseObject({
  mediaType: z.string(),
  digest: digestSchema,
  size: z.number().int().nonnegative(),
});

const manifestSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
});

const texts = z.array(z.string()).nullish();
const configSchema = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  created: z.string().nullish(),
  config: z
    .looseObject({
      User: z.string().nullish(),
      Env: texts,
      Entrypoint: texts,
      Cmd: texts,
      WorkingDir: z.string().nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
      StopSignal: z.string().nullish(),
      ExposedPorts: z.record(z.string(), z.looseObject({})).nullish(),
      Volumes: z.record(z.string(), z.looseObject({})).nullish(),
    })
    .nullish(),
  rootfs: z.looseObject({ type: z.literal('layers'), diff_ids: z.array(digestSchema) }),
});

/** One layer of an image: the blob that is sent, and the tar in it. Base layer first. */
export type ImageLayer = ImageOffer['missing'][number];

export interface ImageDocuments {
  manifest: Manifest;
  config: ImageConfig;
  layers: ImageLayer[];
}

/**
 * An image's manifest and configuration, checked against the digests and against each other. Rejects with a `StoreError`
 * (invalid) that says what differs from what was announced, or why a device of `arch` cannot run it.
 */
export function parseImage(image: AnnounceImage, arch: Arch): ImageDocuments {
  const name = image.ref;
  expectDigest(`the manifest of ${name}`, image.manifest, image.digest);
  const manifest = parse(`the manifest of ${name}`, image.manifest, manifestSchema);
  expectDigest(`the configuration of ${name}`, image.config, manifest.config.digest);
  const config = withoutNulls(parse(`the configuration of ${name}`, image.config, configSchema));

  if (manifest.mediaType !== undefined && !manifestTypes.includes(manifest.mediaType)) {
    throw invalid(`${name} is not an image but ${manifest.mediaType}; give the manifest for linux/${arch} instead`);
  }
  if (!configTypes.includes(manifest.config.mediaType)) {
    throw invalid(`${name} is not a container image: its configuration has the type ${manifest.config.mediaType}`);
  }
  if (config.os !== 'linux' || config.architecture !== arch) {
    throw invalid(
      `${name} is for ${config.os}/${config.architecture}, this device is linux/${arch}; build it for ${arch}`,
    );
  }
  return { manifest, config, layers: pairLayers(name, manifest, config) };
}

function pairLayers(name: string, manifest: Manifest, config: ImageConfig): ImageLayer[] {
  const diffIds = config.rootfs.diff_ids;
  if (manifest.layers.length === 0) throw invalid(`${name} has no layers`);
  if (manifest.layers.length !== diffIds.length) {
    throw invalid(`${name} has ${manifest.layers.length} layers, but its configuration names ${diffIds.length}`);
  }
  return manifest.layers.map(({ digest, size, mediaType }, index) => {
    if (!isLayerMediaType(mediaType))
      throw invalid(`${name} has a layer of the type ${mediaType}, which is not known here`);
    // The counts are equal, so the fallback cannot be taken.
    return { diffId: diffIds[index] ?? digest, digest, size, mediaType };
  });
}

function expectDigest(what: string, text: string, expected: Digest): void {
  const found = digestOf(text);
  if (found !== expected) throw invalid(`${what} has the digest ${found} instead of ${expected}`);
}

function parse<T>(what: string, text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`${what} is not JSON: ${messageOf(error)}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(`${what} is not valid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown'}`);
}

/** Go's encoders write null for what is not set. */
function withoutNulls(config: z.infer<typeof configSchema>): ImageConfig {
  const { created, config: run, ...rest } = config;
  const set = Object.entries(run ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return { ...rest, ...(created ? { created } : {}), ...(run ? { config: Object.fromEntries(set) } : {}) };
}

function invalid(message: string): StoreError {
  return new StoreError('invalid', message);
}

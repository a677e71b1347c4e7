import type { Descriptor } from '../../shared/oci/types.ts';
import { ImageError } from '../errors.ts';
import { checkDigest, isIndexType, parseConfig, parseIndex, parseManifest, selectPlatform } from './parse.ts';
import type { BlobStore, ImageSource, ImageSourceOptions } from './types.ts';

/** From a descriptor (of a manifest, or of an index of some) to an image whose manifest and configuration are checked. */
export async function loadImage(
  store: BlobStore,
  root: Descriptor,
  options: ImageSourceOptions & { ref: string; close?: () => Promise<void> },
): Promise<ImageSource> {
  const { ref, arch } = options;
  let descriptor = root;
  let manifestText = await readChecked(store, descriptor, ref);
  // Docker nests one index in another; more than that is a loop or a joke.
  for (let depth = 0; isIndex(descriptor, manifestText); depth++) {
    if (depth === 3) throw new ImageError(`${ref}: its indexes are nested too deeply`);
    descriptor = selectPlatform(parseIndex(manifestText, ref).manifests, arch, ref);
    manifestText = await readChecked(store, descriptor, ref);
  }
  const manifest = parseManifest(manifestText, ref);
  const configText = await readChecked(store, manifest.config, ref);
  const config = parseConfig(configText, ref);
  if (config.os !== 'linux' || config.architecture !== arch) {
    throw new ImageError(`${ref} is for ${config.os}/${config.architecture}; this device is linux/${arch}`);
  }
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new ImageError(
      `${ref}: its manifest has ${manifest.layers.length} layers, its configuration ${config.rootfs.diff_ids.length}`,
    );
  }
  return {
    ref,
    digest: descriptor.digest,
    manifestText,
    configText,
    manifest,
    config,
    openLayer: (layer) => store.openBlob(layer),
    close: options.close ?? (async () => undefined),
  };
}

async function readChecked(store: BlobStore, descriptor: Descriptor, ref: string): Promise<string> {
  const text = await store.readText(descriptor);
  checkDigest(text, descriptor, ref);
  return text;
}

/** Some writers leave the media type of an index out of the descriptor, others out of the document. */
function isIndex(descriptor: Descriptor, text: string): boolean {
  if (isIndexType(descriptor.mediaType)) return true;
  try {
    const { mediaType, manifests } = JSON.parse(text) as { mediaType?: string; manifests?: unknown };
    return isIndexType(mediaType) || (mediaType === undefined && Array.isArray(manifests));
  } catch {
    return false;
  }
}

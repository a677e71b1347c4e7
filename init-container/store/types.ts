import type { Digest, ImageConfig, Manifest } from '../../src/shared/oci/types.ts';

/** An image whose layers are all unpacked on this device. */
export interface StoredImage {
  digest: Digest;
  manifest: Manifest;
  config: ImageConfig;
  /** Layer folders, top layer first: overlayfs' lowerdir order. */
  layers: string[];
  sizeBytes: number;
}

export interface ImageSummary {
  digest: Digest;
  /** The references people gave, newest first: `web:1`. */
  refs: string[];
  /** RFC 3339, UTC. */
  createdAt: string;
  sizeBytes: number;
}

/** Images known to this device: those of the root image and those that were swapped in. */
export interface ImageStore {
  /** Rejects with a sentence when the image is unknown or a layer of it is missing. */
  get(digest: Digest): Promise<StoredImage>;
  list(): Promise<ImageSummary[]>;
}

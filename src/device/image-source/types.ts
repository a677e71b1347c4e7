import type { Readable } from 'node:stream';
import type { Arch, Descriptor, Digest, ImageConfig, Manifest } from '../../shared/oci/types.ts';

/** One image that is about to be sent, wherever it lies. */
export interface ImageSource {
  /** What a person calls it: `web:2`. */
  readonly ref: string;
  /** Digest of `manifestText`: what is really swapped in. */
  readonly digest: Digest;
  /** The exact bytes of the manifest and the configuration; both digests were checked. */
  readonly manifestText: string;
  readonly configText: string;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** The bytes of a layer as stored, not checked yet. Rejects with `ImageError`. */
  openLayer(layer: Descriptor): Promise<Readable>;
  close(): Promise<void>;
}

export interface ImageSourceOptions {
  /** Which image of an index to take. */
  arch: Arch;
  signal?: AbortSignal;
}

/** Where the blobs of an image are: a folder, an archive, a registry. */
export interface BlobStore {
  /** A small blob (an index, a manifest, a configuration), not checked yet. Rejects with `ImageError` if it is missing. */
  readText(descriptor: Descriptor): Promise<string>;
  openBlob(descriptor: Descriptor): Promise<Readable>;
}

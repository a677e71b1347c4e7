/**
 * Where things are on a device. `gantry build` writes the read-only part, the init container the rest.
 *
 * `/gantry` is the read-only root image's own folder, bound directly (not through the root overlay), so that a layer in
 * it can be the lower directory of a container's overlay.
 */
export const devicePaths = {
  /** Read-only, from the root image. */
  factory: '/gantry',
  /** `ImageInfo` of what was composed. */
  imageInfo: '/gantry/image.json',
  /** Revision 0, canonical JSON. */
  factoryRevision: '/gantry/revision.json',
  /** One folder per layer, named by the 64 hex digits of its diffID: the layer's files, overlayfs whiteouts applied. */
  factoryLayers: '/gantry/layers',
  /** Manifests and configurations of images, named by the 64 hex digits of their digest. */
  factoryBlobs: '/gantry/blobs',

  /** The data partition (ext4, label `gantry-data`) or, without one, a tmpfs. */
  data: '/var/lib/gantry',
  /** Exists in `data` only when that is a data partition; made by the boot scripts. */
  persistentMark: '/run/gantry/persistent',

  /** tmpfs. */
  run: '/run/gantry',
  containers: '/run/gantry/containers',
  exits: '/run/gantry/exits',
  /** What the init container and its launcher say: written by the launcher. */
  initOutput: '/run/gantry/init.log',
  apiSocket: '/var/run/docker.sock',
} as const;

export interface ImageInfo {
  /** Name in the OS definition, else of its file. */
  name: string;
  /** Identity of the composed image: digest over the factory revision and the base layers. */
  id: string;
  arch: 'amd64' | 'arm64';
  /** Version of Gantry that composed it. */
  gantry: string;
}

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
  /** `Access`, canonical JSON; the scripts read it with sed. */
  access: '/gantry/access.json',
  /** Revision 0, canonical JSON. */
  factoryRevision: '/gantry/revision.json',
  /** One folder per layer, named by the 64 hex digits of its diffID: the layer's files, overlayfs whiteouts applied. */
  factoryLayers: '/gantry/layers',
  /** A recipe (`compressRecipe`) per layer, named as the layer. */
  factoryRecipes: '/gantry/recipes',
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

/** Where things are when the init container runs on top of an existing distribution, in a mount namespace of its own. */
export const machinePaths = {
  /** The distribution's root, as the init container and what it starts see it. */
  root: '/host',
  /** Files that the OS definition brought: a bind finds them before those of the machine. Read-only. */
  files: '/gantry/files',
  /** The API's socket for the init container, and the same one for everybody else on the machine. */
  apiSocketInside: '/run/gantry/api/docker.sock',
  apiSocket: '/run/gantry/docker.sock',
} as const;

export interface ImageInfo {
  /** Name in the OS definition, else of its file. */
  name: string;
  /** Identity of the composed image: digest over the factory revision and the base layers. */
  id: string;
  arch: 'amd64' | 'arm64';
  /** Version of Gantry that composed it. */
  gantry: string;
  /** The machine it was composed for: `pc`, `virt`; `host`: any, below a distribution. */
  board: string;
  /** Modules that find the root image there, for the initramfs of another kernel. */
  bootModules: string[];
}

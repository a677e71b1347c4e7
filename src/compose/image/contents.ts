import { Readable } from 'node:stream';
import { initStartScript } from '../../shared/boot/init-start.ts';
import { canonicalJson } from '../../shared/canonical-json.ts';
import type { Revision } from '../../shared/definition/revision.ts';
import type { ImageInfo } from '../../shared/device-paths.ts';
import { hexOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import { ComposeError } from '../errors.ts';
import { directory, type Entry, file, sortEntries } from '../oci/entry.ts';
import { readTar } from '../oci/tar.ts';
import { applyLayer, layerEntries, overlayEntry } from './flatten.ts';
import type { ResolvedImage } from './images.ts';
import { layerRecipe } from './layer-recipe.ts';
import type { ResolvedUserland } from './resolve.ts';

export type ComponentSizes = Record<string, { image: string; digest: Digest; bytes: number }>;

/** The files of the root itself: those of the base images, then the definition's own. */
export async function rootEntries(images: ResolvedUserland, extra: Entry[]): Promise<Map<string, Entry>> {
  const root = new Map<string, Entry>();
  for (const image of images.bases) {
    for (const layer of image.manifest.layers) await applyLayer(root, layerEntries(image.layout, layer));
  }
  for (const entry of extra) if (entry.type !== 'directory' || !root.has(entry.path)) root.set(entry.path, entry);
  return root;
}

export interface KernelParts {
  image: Buffer;
  modules: Entry[];
  /** Device trees by file name. */
  deviceTrees: Map<string, Buffer>;
}

/** LinuxKit's convention: `/kernel` and `/kernel.tar` in the image; and ours: `/device-trees`. */
export async function kernelParts(image: ResolvedImage): Promise<KernelParts> {
  const files = new Map<string, Entry>();
  for (const layer of image.manifest.layers) await applyLayer(files, layerEntries(image.layout, layer));
  const binary = files.get('kernel')?.content;
  const tar = files.get('kernel.tar')?.content;
  if (binary === undefined || tar === undefined) {
    throw new ComposeError(`${image.ref} is no kernel image: it needs /kernel and /kernel.tar`);
  }
  const modules: Entry[] = [];
  for await (const entry of readTar(Readable.from([tar]))) {
    modules.push({ ...entry, path: entry.path.replace(/^lib\//, 'usr/lib/') });
  }
  const deviceTrees = new Map<string, Buffer>();
  for (const { path, content } of files.values()) {
    const name = /^device-trees\/([^/]+)$/.exec(path)?.[1];
    if (name !== undefined && content !== undefined) deviceTrees.set(name, content);
  }
  return { image: binary, modules: modules.filter((entry) => entry.path !== 'usr/lib'), deviceTrees };
}

/** An image's parts; without a kernel for a device on top of a distribution. */
type ResolvedParts = ResolvedUserland & { kernel?: ResolvedImage };

function allImages({ kernel, bases, init, containers }: ResolvedParts): ResolvedImage[] {
  return [...(kernel === undefined ? [] : [kernel]), ...bases, init, ...containers.values()];
}

/** `/gantry`: what the init container starts from. See `devicePaths`. */
export async function factoryEntries(images: ResolvedParts, revision: Revision, info: ImageInfo): Promise<Entry[]> {
  const blobs = new Map<Digest, Entry>();
  for (const image of allImages(images)) {
    for (const digest of [image.digest, image.manifest.config.digest]) {
      blobs.set(digest, file(`gantry/blobs/${hexOf(digest)}`, await image.layout.readBlob(digest)));
    }
  }
  const recipes = new Map<Digest, Entry>();
  for (const image of allImages(images)) {
    for (const [index, layer] of image.manifest.layers.entries()) {
      const diffId = image.config.rootfs.diff_ids[index];
      if (diffId === undefined || recipes.has(diffId)) continue;
      const recipe = await layerRecipe(image.layout, layer);
      if (recipe) recipes.set(diffId, file(`gantry/recipes/${hexOf(diffId)}`, recipe));
    }
  }
  const lower = [...images.init.config.rootfs.diff_ids].reverse().map((digest) => `/gantry/layers/${hexOf(digest)}`);
  return [
    directory('gantry'),
    directory('gantry/blobs'),
    directory('gantry/init'),
    directory('gantry/layers'),
    directory('gantry/recipes'),
    ...blobs.values(),
    ...recipes.values(),
    file('gantry/image.json', canonicalJson(info)),
    file('gantry/revision.json', canonicalJson(revision)),
    file('gantry/init/start', initStartScript(images.init.config), 0o755),
    file('gantry/init/lower', lower.join(':')),
  ];
}

/**
 * Everything in the root image, in order; notes the uncompressed bytes of each layer in `bytes`, by diffID. Kernel and base
 * are there as layers too, so that the next ones can travel as differences to them: the files of the base take no room,
 * because squashfs keeps the same content once.
 */
export async function* rootImageEntries(
  root: Map<string, Entry>,
  factory: Entry[],
  images: ResolvedParts,
  bytes: Map<string, number>,
): AsyncGenerator<Entry> {
  for (const entry of factory) root.set(entry.path, entry);
  yield* sortEntries([...root.values()]);
  for (const image of allImages(images)) {
    const diffIds = image.config.rootfs.diff_ids;
    for (const [index, layer] of image.manifest.layers.entries()) {
      const diffId = diffIds[index];
      if (diffId === undefined || bytes.has(diffId)) continue;
      const folder = `gantry/layers/${hexOf(diffId)}`;
      let total = 0;
      yield directory(folder);
      for await (const raw of layerEntries(image.layout, layer)) {
        const entry = overlayEntry(raw);
        if (entry === undefined) continue;
        total += entry.content?.length ?? 0;
        const link = entry.type === 'link' ? { linkname: `${folder}/${entry.linkname}` } : {};
        yield { ...entry, path: `${folder}/${entry.path}`, ...link };
      }
      bytes.set(diffId, total);
    }
  }
}

/** Of each component the uncompressed bytes of its layers. */
export function componentSizes(revision: Revision, images: ResolvedParts, bytes: Map<string, number>): ComponentSizes {
  const byDigest = new Map(allImages(images).map((image) => [image.digest, image]));
  return Object.fromEntries(
    Object.entries(revision.components).map(([name, spec]) => {
      const diffIds = byDigest.get(spec.image.digest)?.config.rootfs.diff_ids ?? [];
      const total = diffIds.reduce((sum, diffId) => sum + (bytes.get(diffId) ?? 0), 0);
      return [name, { image: spec.image.ref, digest: spec.image.digest, bytes: total }];
    }),
  );
}

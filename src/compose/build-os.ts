import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { canonicalJson } from '../shared/canonical-json.ts';
import { type ComponentSpec, type Revision, revisionDigest } from '../shared/definition/revision.ts';
import type { ImageInfo } from '../shared/device-paths.ts';
import { digestOf, hexOf } from '../shared/oci/digest.ts';
import type { Arch, Digest } from '../shared/oci/types.ts';
import { gantryVersion } from '../shared/version.ts';
import { fileEntries } from './component/files.ts';
import type { FileSpec } from './component/recipe.ts';
import { type LoadedDefinition, loadDefinitions } from './definition/load.ts';
import { ComposeError } from './errors.ts';
import { imageBoards } from './image/boards.ts';
import { applyLayer, layerEntries, overlayEntry } from './image/flatten.ts';
import { ImageResolver, type ResolvedImage } from './image/images.ts';
import { initStartScript } from './image/init-start.ts';
import { buildInitramfs } from './image/initramfs.ts';
import { writeRootImage } from './image/root-image.ts';
import { directory, type Entry, file, sortEntries } from './oci/entry.ts';
import { readTar } from './oci/tar.ts';
import type { OnProgress } from './progress.ts';

export interface BuildOsOptions {
  /** OS definition files, merged in order. */
  definitions: string[];
  arch: Arch;
  /** The image becomes this folder; what was there is replaced only when the new one is whole. */
  outDir: string;
  /** Files laid over those of the definitions, e.g. the demo's authorized key. */
  extraFiles?: FileSpec[];
  relockGone?: boolean;
  onProgress?: OnProgress;
}

export interface BuiltOs {
  dir: string;
  /** The folder already held exactly this image. */
  reused: boolean;
  id: string;
  /** Bytes by part: kernel, initrd, root. */
  sizes: Record<'kernel' | 'initrd' | 'root', number>;
}

/** `image.json` in an image folder: what `gantry run` and a boot loader need to start it. */
export interface ImageManifest extends ImageInfo {
  board: string;
  cmdline: string;
  sizes: BuiltOs['sizes'];
  /** Uncompressed bytes of each component's layers; a layer that several share counts for each. */
  components: Record<string, { image: string; digest: Digest; bytes: number }>;
}

/** Raise when the same definition would give other bytes. */
const formatVersion = 2;

interface Resolved {
  kernel: ResolvedImage;
  bases: ResolvedImage[];
  init: ResolvedImage;
  containers: Map<string, ResolvedImage>;
}

/** Composes a bootable image: no Docker, no root. */
export async function buildOs(options: BuildOsOptions): Promise<BuiltOs> {
  const { arch, outDir, onProgress } = options;
  const definition = await loadDefinitions(options.definitions);
  const images = await resolveImages(definition, options);
  const revision = makeRevision(definition, images);
  const extra = await definitionFiles(definition, options.extraFiles ?? []);
  const board = imageBoards[arch];
  const idSource = {
    formatVersion,
    gantry: gantryVersion,
    arch,
    revision: revisionDigest(revision),
    cmdline: definition.kernel.cmdline,
    files: extra.map((entry) => ({ ...entry, content: entry.content && digestOf(entry.content) })),
  };
  const id = digestOf(canonicalJson(idSource)).slice(7, 23);
  const existing = await readImageManifest(outDir).catch(() => undefined);
  if (existing?.id === id) return { dir: outDir, reused: true, id, sizes: existing.sizes };

  onProgress?.({ step: 'root', detail: 'laying the base system out' });
  const root = await rootEntries(images, extra);
  const kernel = await kernelParts(images.kernel);
  for (const entry of kernel.modules) if (!root.has(entry.path)) root.set(entry.path, entry);
  const info: ImageInfo = { name: definition.name, id, arch, gantry: gantryVersion };
  const factory = await factoryEntries(images, revision, info);

  const temporary = `${outDir}.${randomBytes(4).toString('hex')}.part`;
  try {
    await mkdir(temporary, { recursive: true });
    const initrd = buildInitramfs(root, board.bootModules);
    await writeFile(join(temporary, 'kernel'), kernel.image);
    await writeFile(join(temporary, 'initrd.img'), initrd);
    onProgress?.({ step: 'root', detail: 'writing the root image (squashfs)' });
    const bytes = new Map<string, number>();
    await writeRootImage(join(temporary, 'root.img'), rootImageEntries(root, factory, images, bytes));
    const sizes = {
      kernel: kernel.image.length,
      initrd: initrd.length,
      root: (await stat(join(temporary, 'root.img'))).size,
    };
    const cmdline = `console=${board.console} ${definition.kernel.cmdline} gantry.image=${id} panic=10`.replace(
      / +/g,
      ' ',
    );
    const manifest: ImageManifest = {
      ...info,
      board: board.name,
      cmdline,
      sizes,
      components: componentSizes(revision, images, bytes),
    };
    await writeFile(join(temporary, 'image.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await replaceDir(temporary, outDir);
    return { dir: outDir, reused: false, id, sizes };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new ComposeError(`no space left on the disk while writing ${outDir}; free some and build again`);
    }
    throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The merged definition, checked, as `gantry build --dry-run` shows it. */
export async function describeOs(definitions: string[]): Promise<object> {
  const { dirs: _dirs, files, ...definition } = await loadDefinitions(definitions);
  return { ...definition, files: files.map(({ spec }) => spec) };
}

export async function readImageManifest(dir: string): Promise<ImageManifest> {
  return JSON.parse(await readFile(join(dir, 'image.json'), 'utf8')) as ImageManifest;
}

async function replaceDir(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const old = `${to}.old`;
  await rm(old, { recursive: true, force: true });
  await rename(to, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(from, to);
  await rm(old, { recursive: true, force: true });
}

async function resolveImages(definition: LoadedDefinition, options: BuildOsOptions): Promise<Resolved> {
  const resolver = new ImageResolver(options.arch, definition.dirs, {
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    relockGone: options.relockGone ?? false,
  });
  const get = (ref: string) => {
    options.onProgress?.({ step: 'component', detail: ref });
    return resolver.resolve(ref);
  };
  const kernel = await get(definition.kernel.image);
  const inits: ResolvedImage[] = [];
  for (const ref of definition.init) inits.push(await get(ref));
  const init = inits.filter(isInitContainer);
  if (init.length !== 1 || init[0] === undefined) {
    throw new ComposeError(
      `init must name exactly one image with an entrypoint (the init container); ${init.length} of ${definition.init.join(', ')} have one`,
    );
  }
  const containers = new Map<string, ResolvedImage>();
  for (const container of [...definition.onboot, ...definition.services, ...definition.onshutdown]) {
    containers.set(container.name, await get(container.image));
  }
  return { kernel, bases: inits.filter((image) => !isInitContainer(image)), init: init[0], containers };
}

/** LinuxKit's `init` images are plain trees of files; the one that says what to start is the init container. */
function isInitContainer(image: ResolvedImage): boolean {
  return (image.config.config?.Entrypoint ?? []).length > 0;
}

function makeRevision(definition: LoadedDefinition, images: Resolved): Revision {
  const components: Record<string, ComponentSpec> = {};
  const add = (name: string, kind: ComponentSpec['kind'], image: ResolvedImage, order: number, config = {}) => {
    components[name] = { kind, image: { ref: image.ref, digest: image.digest }, order, config };
  };
  add('kernel', 'kernel', images.kernel, 0);
  images.bases.forEach((image, i) => {
    add(i === 0 ? 'base' : `base-${i + 1}`, 'base', image, i);
  });
  add('init', 'init', images.init, 0);
  const lists = [
    ['onboot', definition.onboot],
    ['service', definition.services],
    ['onshutdown', definition.onshutdown],
  ] as const;
  for (const [kind, list] of lists) {
    list.forEach((container, order) => {
      const { name, image: _ref, ...config } = container;
      const image = images.containers.get(name);
      if (image !== undefined) add(name, kind, image, order, config);
    });
  }
  return { schema: 1, components };
}

async function definitionFiles(definition: LoadedDefinition, extra: FileSpec[]): Promise<Entry[]> {
  const ids = Object.fromEntries([...definition.onboot, ...definition.services].map((c, i) => [c.name, 100 + i]));
  const entries: Entry[] = [];
  for (const { spec, baseDir, where } of definition.files) {
    entries.push(...(await fileEntries([spec], baseDir, { defaultMode: 0o600, ids, where })));
  }
  entries.push(...(await fileEntries(extra, process.cwd(), { defaultMode: 0o600, where: 'extra files' })));
  return entries;
}

async function rootEntries(images: Resolved, extra: Entry[]): Promise<Map<string, Entry>> {
  const root = new Map<string, Entry>();
  for (const image of images.bases) {
    for (const layer of image.manifest.layers) await applyLayer(root, layerEntries(image.layout, layer));
  }
  for (const entry of extra) if (entry.type !== 'directory' || !root.has(entry.path)) root.set(entry.path, entry);
  return root;
}

async function kernelParts(image: ResolvedImage): Promise<{ image: Buffer; modules: Entry[] }> {
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
  return { image: binary, modules: modules.filter((entry) => entry.path !== 'usr/lib') };
}

/** `/gantry`: what the init container starts from. See `devicePaths`. */
async function factoryEntries(images: Resolved, revision: Revision, info: ImageInfo): Promise<Entry[]> {
  const blobs = new Map<Digest, Entry>();
  for (const image of [images.kernel, ...images.bases, images.init, ...images.containers.values()]) {
    for (const digest of [image.digest, image.manifest.config.digest]) {
      blobs.set(digest, file(`gantry/blobs/${hexOf(digest)}`, await image.layout.readBlob(digest)));
    }
  }
  const lower = [...images.init.config.rootfs.diff_ids].reverse().map((digest) => `/gantry/layers/${hexOf(digest)}`);
  return [
    directory('gantry'),
    directory('gantry/blobs'),
    directory('gantry/init'),
    directory('gantry/layers'),
    ...blobs.values(),
    file('gantry/image.json', canonicalJson(info)),
    file('gantry/revision.json', canonicalJson(revision)),
    file('gantry/init/start', initStartScript(images.init.config), 0o755),
    file('gantry/init/lower', lower.join(':')),
  ];
}

async function* rootImageEntries(
  root: Map<string, Entry>,
  factory: Entry[],
  images: Resolved,
  bytes: Map<string, number>,
): AsyncGenerator<Entry> {
  for (const entry of factory) root.set(entry.path, entry);
  yield* sortEntries([...root.values()]);
  for (const image of [images.init, ...images.containers.values()]) {
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

function componentSizes(revision: Revision, images: Resolved, bytes: Map<string, number>): ImageManifest['components'] {
  const byName = new Map([...images.containers, ['init', images.init]] as [string, ResolvedImage][]);
  return Object.fromEntries(
    Object.entries(revision.components).map(([name, spec]) => {
      const diffIds = byName.get(name)?.config.rootfs.diff_ids ?? [];
      const total = diffIds.reduce((sum, diffId) => sum + (bytes.get(diffId) ?? 0), 0);
      return [name, { image: spec.image.ref, digest: spec.image.digest, bytes: total }];
    }),
  );
}

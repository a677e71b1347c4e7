import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canonicalJson } from '../shared/canonical-json.ts';
import { revisionDigest } from '../shared/definition/revision.ts';
import { devicePaths, type ImageInfo } from '../shared/device-paths.ts';
import { digestOf } from '../shared/oci/digest.ts';
import type { Arch } from '../shared/oci/types.ts';
import { gantryVersion } from '../shared/version.ts';
import { fileEntries } from './component/files.ts';
import type { FileSpec } from './component/recipe.ts';
import { type LoadedDefinition, type LoadOptions, loadDefinitions } from './definition/load.ts';
import { bootFiles, loaderImages } from './disk/boot-files.ts';
import { writeDiskImage } from './disk/disk-image.ts';
import { ComposeError } from './errors.ts';
import { imageBoard } from './image/boards.ts';
import { checkSockets } from './image/check-sockets.ts';
import {
  type ComponentSizes,
  componentSizes,
  factoryEntries,
  kernelParts,
  rootEntries,
  rootImageEntries,
} from './image/contents.ts';
import { buildInitramfs } from './image/initramfs.ts';
import { makeRevision, resolveImages } from './image/resolve.ts';
import { writeRootImage } from './image/root-image.ts';
import { KeptFiles } from './kept-files.ts';
import { type Entry, file } from './oci/entry.ts';
import type { OnProgress } from './progress.ts';

export interface BuildOsOptions {
  /** OS definition files, merged in order. */
  definitions: string[];
  arch: Arch;
  /** A board of that architecture; by default its first. */
  board?: string | undefined;
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
  /** Bytes by part. The disk image, which boards with a boot loader have, contains the others. */
  sizes: Record<'kernel' | 'initrd' | 'root', number> & { disk?: number };
}

/** `image.json` in an image folder: what `gantry run` and a boot loader need to start it. */
export interface ImageManifest extends ImageInfo {
  cmdline: string;
  sizes: BuiltOs['sizes'];
  /** Uncompressed bytes of each component's layers; a layer that several share counts for each. */
  components: ComponentSizes;
}

/** Raise when the same definition would give other bytes. */
const formatVersion = 5;

/** Composes a bootable image: no Docker, no root. */
export async function buildOs(options: BuildOsOptions): Promise<BuiltOs> {
  const { arch, outDir, onProgress } = options;
  const board = imageBoard(options);
  const definition = await loadDefinitions(options.definitions);
  const loader = board.loader && loaderImages[board.loader];
  const images = await resolveImages(definition, { ...options, loader });
  const revision = makeRevision(definition, images);
  checkSockets(revision, images.containers);
  const extra = await definitionFiles(definition, options.extraFiles ?? []);
  const idSource = {
    formatVersion,
    gantry: gantryVersion,
    board: board.name,
    loader: images.loader?.digest,
    revision: revisionDigest(revision),
    cmdline: definition.kernel.cmdline,
    access: definition.access,
    files: extra.map((entry) => ({ ...entry, content: entry.content && digestOf(entry.content) })),
  };
  const id = digestOf(canonicalJson(idSource)).slice(7, 23);
  const existing = await readImageManifest(outDir).catch(() => undefined);
  if (existing?.id === id) {
    await keepFiles(outDir);
    return { dir: outDir, reused: true, id, sizes: existing.sizes };
  }

  onProgress?.({ step: 'root', detail: 'laying the base system out' });
  const root = await rootEntries(images, extra);
  const kernel = await kernelParts(images.kernel);
  for (const entry of kernel.modules) if (!root.has(entry.path)) root.set(entry.path, entry);
  const info: ImageInfo = {
    name: definition.name,
    id,
    arch,
    gantry: gantryVersion,
    board: board.name,
    bootModules: board.bootModules,
  };
  const factory = [
    ...(await factoryEntries(images, revision, info)),
    file(devicePaths.access.slice(1), canonicalJson(definition.access), 0o600),
  ];

  const temporary = `${outDir}.${randomBytes(4).toString('hex')}.part`;
  try {
    await mkdir(temporary, { recursive: true });
    const initrd = buildInitramfs(root, board.bootModules);
    await writeFile(join(temporary, 'kernel'), kernel.image);
    await writeFile(join(temporary, 'initrd.img'), initrd);
    onProgress?.({ step: 'root', detail: 'writing the root image (squashfs)' });
    const bytes = new Map<string, number>();
    await writeRootImage(join(temporary, 'root.img'), rootImageEntries(root, factory, images, bytes));
    const sizes: BuiltOs['sizes'] = {
      kernel: kernel.image.length,
      initrd: initrd.length,
      root: (await stat(join(temporary, 'root.img'))).size,
    };
    const cmdline = `console=${board.console} ${definition.kernel.cmdline} gantry.image=${id} panic=10`.replace(
      / +/g,
      ' ',
    );
    if (board.loader !== undefined && images.loader !== undefined) {
      onProgress?.({ step: 'root', detail: 'writing the disk image' });
      const files = await bootFiles(board.loader, { kernel, initrd, cmdline, loader: images.loader });
      for (const [name, content] of files.beside) await writeFile(join(temporary, name), content);
      const parts = { rootImage: join(temporary, 'root.img'), bootFiles: files.partition, id };
      sizes.disk = await writeDiskImage(join(temporary, 'disk.img'), parts);
    }
    const manifest: ImageManifest = {
      ...info,
      cmdline,
      sizes,
      components: componentSizes(revision, images, bytes),
    };
    await writeFile(join(temporary, 'image.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await replaceDir(temporary, outDir);
    await keepFiles(outDir);
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

/** A device may run this image when the next one is sent to it, which is then compared with this one. */
async function keepFiles(dir: string): Promise<void> {
  const kept = new KeptFiles();
  for (const name of ['kernel', 'initrd.img', 'root.img']) await kept.keep(join(dir, name));
}

/** The merged definition, checked, as `gantry build --dry-run` shows it. */
export async function describeOs(definitions: string[], options: LoadOptions = {}): Promise<object> {
  const { dirs: _dirs, files, ...definition } = await loadDefinitions(definitions, options);
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

/** Entries for the `files` of the definitions, and for more of them. */
export async function definitionFiles(definition: LoadedDefinition, extra: FileSpec[]): Promise<Entry[]> {
  const ids = Object.fromEntries([...definition.onboot, ...definition.services].map((c, i) => [c.name, 100 + i]));
  const entries: Entry[] = [];
  for (const { spec, baseDir, where } of definition.files) {
    entries.push(...(await fileEntries([spec], baseDir, { defaultMode: 0o600, ids, where })));
  }
  entries.push(...(await fileEntries(extra, process.cwd(), { defaultMode: 0o600, where: 'extra files' })));
  return entries;
}

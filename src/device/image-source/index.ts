import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Arch } from '../../shared/oci/types.ts';
import { ImageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';
import { parseIndex } from './parse.ts';
import { parseReference } from './reference.ts';
import type { ImageSource, ImageSourceOptions } from './types.ts';

export type { ImageSource, ImageSourceOptions } from './types.ts';

/**
 * Finds the image that a person means: `oci:DIR[:TAG]`, `docker://HOST/NAME:TAG`, the path of an OCI layout or of a tar
 * (each with `:TAG` if it holds several), the name of a component built here (`web:2`), or `HOST/NAME:TAG`.
 * Rejects with an `ImageError` that says what was looked at.
 */
export async function openImageSource(image: string, options: ImageSourceOptions): Promise<ImageSource> {
  if (image.startsWith('docker://')) return openFromRegistry(image.slice('docker://'.length), image, options);
  const path = image.startsWith('oci:') ? image.slice('oci:'.length) : image;
  const local = findLocal(path);
  if (local?.kind === 'layout') {
    const { openLayout } = await import('./layout.ts');
    return openLayout(local.path, local.tag, options);
  }
  if (local?.kind === 'file') {
    const { openArchive } = await import('./archive.ts');
    return openArchive(local.path, local.tag, options);
  }
  if (image.startsWith('oci:') || /^[./~]/.test(path) || local?.kind === 'folder') {
    throw new ImageError(
      local ? `${local.path} is a folder without index.json: no OCI layout` : `there is no OCI layout or tar ${path}`,
    );
  }
  if (parseReference(image)) return openFromRegistry(image, image, options);
  return openBuilt(image, options);
}

async function openFromRegistry(text: string, image: string, options: ImageSourceOptions): Promise<ImageSource> {
  const reference = parseReference(text);
  if (!reference) {
    throw new ImageError(
      `${image} is no image reference: write docker://HOST[:PORT]/NAME[:TAG]; there is no default HOST`,
    );
  }
  const { openRegistry } = await import('./registry.ts');
  return openRegistry(reference, options);
}

/** Names of the components that `gantry component build` and `gantry build` made on this machine for `arch`. */
export async function builtImages(arch: Arch): Promise<{ dir: string; names: string[] }> {
  const { localStore } = await import('../../compose/oci/layout.ts');
  const { dir } = localStore();
  const text = await readFile(join(dir, 'index.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return { dir, names: [] };
  const { namesIn } = await import('./layout.ts');
  const index = parseIndex(text, dir);
  const manifests = index.manifests.filter(({ platform }) => platform === undefined || platform.architecture === arch);
  return { dir, names: namesIn({ ...index, manifests }) };
}

async function openBuilt(image: string, options: ImageSourceOptions): Promise<ImageSource> {
  const [{ openLayout }, { dir, names }] = await Promise.all([import('./layout.ts'), builtImages(options.arch)]);
  if (names.includes(image)) return openLayout(dir, image, options);
  throw new ImageError(
    `there is no image ${JSON.stringify(image)}: no file or folder has this name, no component built here does, and it ` +
      `is no registry reference (HOST/NAME:TAG). ${suggestion(image, names)}`.trim(),
  );
}

interface Local {
  kind: 'layout' | 'folder' | 'file';
  path: string;
  tag?: string;
}

/** The longest part of `text` up to a colon that exists; what follows is the tag. Tags have colons too: `web:2`. */
function findLocal(text: string): Local | undefined {
  for (let end = text.length; end > 0; end = text.lastIndexOf(':', end - 1)) {
    const path = text.slice(0, end);
    const tag = text.slice(end + 1);
    if (!existsSync(path)) continue;
    const kind = statSync(path).isDirectory() ? (existsSync(join(path, 'index.json')) ? 'layout' : 'folder') : 'file';
    // A folder `web` beside us does not make `web:2` a path.
    if (kind !== 'folder' || tag === '') return { kind, path, ...(tag && { tag }) };
  }
  return undefined;
}

import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { hexOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { exists, syncDirectory, syncFileSystem } from '../store/durable.ts';

/** What the scripts call the part of the root image. */
export const factoryName = 'factory';

/** What the scripts call a part: the hex digits of its image's digest, or `factory` for the one of the root image. */
export function nameOf(spec: ComponentSpec, factory: Revision): string {
  const { digest } = spec.image;
  const own = Object.values(factory.components).some(
    ({ kind, image }) => kind === spec.kind && image.digest === digest,
  );
  return own ? factoryName : hexOf(digest);
}

/**
 * Makes the folder of an image that the scripts start it from: there as a whole, and on the disk, or not at all. One that is
 * not as it should be (a power cut while it was being removed, a damaged disk) is made anew.
 */
export async function writeImageFolder(
  folder: string,
  files: { name: string; text: string; mode: number }[],
): Promise<void> {
  if (await holds(folder, files)) return;
  const temporary = `${folder}.new`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  for (const { name, text, mode } of files) await writeFile(join(temporary, name), text, { mode });
  await syncFileSystem(temporary);
  await rm(folder, { recursive: true, force: true });
  await rename(temporary, folder);
  await syncDirectory(join(folder, '..'));
}

async function holds(folder: string, files: { name: string; text: string; mode: number }[]): Promise<boolean> {
  for (const { name, text, mode } of files) {
    const stat = await lstat(join(folder, name)).catch(() => undefined);
    if (!stat?.isFile() || (stat.mode & 0o777) !== mode) return false;
    if ((await readFile(join(folder, name), 'utf8')) !== text) return false;
  }
  return true;
}

/** Images that the scripts may start, also those of another root image: what they are made of must stay. */
export async function imagesOfParts(data: string): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (const kind of ['init', 'base']) {
    for (const id of await namesIn(join(data, kind))) {
      for (const name of await namesIn(join(data, kind, id, 'images')))
        if (/^[0-9a-f]{64}$/.test(name)) digests.push(`sha256:${name}`);
    }
  }
  return digests;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await exists(folder)) ? readdir(folder) : [];
}

/** Removes the folders of images that nothing starts any more. */
export async function keepImageFolders(images: string, names: readonly (string | undefined)[]): Promise<void> {
  for (const name of await namesIn(images)) {
    if (!names.includes(name)) await rm(join(images, name), { recursive: true, force: true });
  }
}

import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { hexOf } from '../../shared/oci/digest.ts';
import type { Descriptor, Index } from '../../shared/oci/types.ts';
import { ImageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';
import { loadImage } from './load.ts';
import { parseIndex, selectPlatform } from './parse.ts';
import type { BlobStore, ImageSource, ImageSourceOptions } from './types.ts';

const refName = 'org.opencontainers.image.ref.name';
/** What containerd and Docker write beside it: the whole reference. */
const imageName = 'io.containerd.image.name';

/** An image of an OCI image layout in a folder. `tag` picks one by its name; without it there must be one only. */
export async function openLayout(
  dir: string,
  tag: string | undefined,
  options: ImageSourceOptions,
): Promise<ImageSource> {
  const index = parseIndex(await readFile(join(dir, 'index.json'), 'utf8'), dir);
  const root = pickImage(index, tag, options, dir);
  return loadImage(new LayoutBlobs(dir), root, { ...options, ref: nameOf(root) ?? tag ?? dir });
}

/** The names in an index, for people. */
export function namesIn(index: Index): string[] {
  return [...new Set(index.manifests.flatMap((manifest) => nameOf(manifest) ?? []))];
}

/** The entry of an index that a tag means: the whole name, or what stands after its last colon. */
export function pickImage(
  index: Index,
  tag: string | undefined,
  options: ImageSourceOptions,
  what: string,
): Descriptor {
  const named = index.manifests.filter(
    (manifest) =>
      tag === undefined || manifest.annotations?.[refName] === tag || manifest.annotations?.[imageName] === tag,
  );
  const found =
    named.length > 0 || tag === undefined
      ? named
      : index.manifests.filter((manifest) => nameOf(manifest)?.split(':').at(-1) === tag);
  const names = [...new Set(found.map((manifest) => nameOf(manifest)))];
  if (found.length === 0) {
    throw new ImageError(`${what} has no image ${tag ?? ''}. ${suggestion(tag ?? '', namesIn(index))}`.trim());
  }
  if (names.length > 1) {
    throw new ImageError(`${what} holds several images: say which, as in ${what}:${names[0]} (${names.join(', ')})`);
  }
  const [only] = found;
  return found.length === 1 && only ? only : selectPlatform(found, options.arch, `${what}${tag ? `:${tag}` : ''}`);
}

function nameOf(descriptor: Descriptor): string | undefined {
  return descriptor.annotations?.[imageName] ?? descriptor.annotations?.[refName];
}

class LayoutBlobs implements BlobStore {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  async readText(descriptor: Descriptor): Promise<string> {
    try {
      return await readFile(this.#path(descriptor), 'utf8');
    } catch (cause) {
      throw this.#missing(descriptor, cause as Error);
    }
  }

  openBlob(descriptor: Descriptor): Promise<Readable> {
    return new Promise((resolve, reject) => {
      const stream = createReadStream(this.#path(descriptor), { highWaterMark: 256 << 10 });
      stream.once('open', () => resolve(stream));
      stream.once('error', (cause) => reject(this.#missing(descriptor, cause)));
    });
  }

  #path(descriptor: Descriptor): string {
    return join(this.#dir, 'blobs', 'sha256', hexOf(descriptor.digest));
  }

  #missing(descriptor: Descriptor, cause: NodeJS.ErrnoException): ImageError {
    const why = cause.code === 'ENOENT' ? 'is missing' : `cannot be read: ${cause.message}`;
    return new ImageError(`${this.#dir}: the blob ${descriptor.digest} ${why}`, cause);
  }
}

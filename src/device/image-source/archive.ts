import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { z } from 'zod';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { digestOf, hexOf } from '../../shared/oci/digest.ts';
import { type Descriptor, type Manifest, mediaTypes } from '../../shared/oci/types.ts';
import { ImageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';
import { pickImage } from './layout.ts';
import { loadImage } from './load.ts';
import { parseConfig, parseIndex } from './parse.ts';
import type { BlobStore, ImageSource, ImageSourceOptions } from './types.ts';

/** Files of at most this size are kept from the first pass: indexes, manifests, configurations. */
const smallFile = 1 << 20;

/** `manifest.json` of `docker save`. */
const savedSchema = z.array(
  z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }),
);
type Saved = z.infer<typeof savedSchema>[number];

interface Contents {
  /** Sizes by name; a link is given the name it leads to. */
  sizes: Map<string, number>;
  links: Map<string, string>;
  small: Map<string, string>;
}

/** An image in a tar (gzipped or not): of an OCI layout, or written by `docker save`. */
export async function openArchive(
  file: string,
  tag: string | undefined,
  options: ImageSourceOptions,
): Promise<ImageSource> {
  const contents = await listContents(file);
  const index = contents.small.get('index.json');
  if (index !== undefined && contents.small.has('oci-layout')) {
    const root = pickImage(parseIndex(index, file), tag, options, file);
    const { 'io.containerd.image.name': long, 'org.opencontainers.image.ref.name': short } = root.annotations ?? {};
    const store = new ArchiveBlobs(file, contents, (descriptor) => `blobs/sha256/${hexOf(descriptor.digest)}`);
    return loadImage(store, root, { ...options, ref: long ?? short ?? file });
  }
  const saved = contents.small.get('manifest.json');
  if (saved === undefined) {
    throw new ImageError(`${file} is neither a tar of an OCI layout (index.json) nor of docker save (manifest.json)`);
  }
  return openSaved(file, contents, pickSaved(parseSaved(saved, file), tag, file), options);
}

/** Older `docker save`: layers are plain tars, and there is no OCI manifest; ours says the same. */
async function openSaved(
  file: string,
  contents: Contents,
  image: Saved,
  options: ImageSourceOptions,
): Promise<ImageSource> {
  const configText = contents.small.get(image.Config);
  if (configText === undefined) throw new ImageError(`${file} lacks the configuration ${image.Config}`);
  const config = parseConfig(configText, file);
  const names = new Map<string, string>();
  const layers = image.Layers.map((name, index): Descriptor => {
    const digest = config.rootfs.diff_ids[index];
    const target = resolveLink(contents, name);
    const size = contents.sizes.get(target);
    if (digest === undefined || size === undefined) throw new ImageError(`${file} lacks the layer ${name}`);
    names.set(digest, target);
    return { mediaType: mediaTypes.layer, digest, size };
  });
  const configDigest = digestOf(configText);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: configDigest, size: Buffer.byteLength(configText) },
    layers,
  };
  const manifestText = canonicalJson(manifest);
  const root = {
    mediaType: mediaTypes.manifest,
    digest: digestOf(manifestText),
    size: Buffer.byteLength(manifestText),
  };
  const store = new ArchiveBlobs(file, contents, ({ digest }) => names.get(digest) ?? '');
  const texts = new Map([
    [root.digest, manifestText],
    [configDigest, configText],
  ]);
  store.readText = async ({ digest }) => texts.get(digest) ?? '';
  return loadImage(store, root, { ...options, ref: image.RepoTags?.[0] ?? file });
}

function parseSaved(text: string, file: string): Saved[] {
  try {
    return savedSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ImageError(`${file}: its manifest.json is not valid: ${(cause as Error).message}`, cause);
  }
}

function pickSaved(images: Saved[], tag: string | undefined, file: string): Saved {
  const tags = images.flatMap((image) => image.RepoTags ?? []);
  const found = images.filter(
    (image) => tag === undefined || image.RepoTags?.some((name) => name === tag || name.split(':').at(-1) === tag),
  );
  const [only] = found;
  if (found.length === 1 && only) return only;
  if (found.length > 1) throw new ImageError(`${file} holds several images: say which, as in ${file}:${tags[0]}`);
  throw new ImageError(`${file} has no image ${tag ?? ''}. ${suggestion(tag ?? '', tags)}`.trim());
}

class ArchiveBlobs implements BlobStore {
  readonly #file: string;
  readonly #contents: Contents;
  readonly #nameOf: (descriptor: Descriptor) => string;

  constructor(file: string, contents: Contents, nameOf: (descriptor: Descriptor) => string) {
    this.#file = file;
    this.#contents = contents;
    this.#nameOf = nameOf;
  }

  async readText(descriptor: Descriptor): Promise<string> {
    const text = this.#contents.small.get(this.#nameOf(descriptor));
    if (text === undefined) throw new ImageError(`${this.#file}: ${descriptor.digest} is missing`);
    return text;
  }

  /** Reads the archive from its start: a gzipped one leaves no other way. */
  async openBlob(descriptor: Descriptor): Promise<Readable> {
    const name = this.#nameOf(descriptor);
    if (!this.#contents.sizes.has(name)) throw new ImageError(`${this.#file}: ${descriptor.digest} is missing`);
    const blob = new PassThrough();
    let found = false;
    readArchive(this.#file, async (entry, data) => {
      if (found || entry !== name) return;
      found = true;
      await pipeline(data, blob);
    }).catch((error: Error) => blob.destroy(error));
    return blob;
  }
}

async function listContents(file: string): Promise<Contents> {
  const contents: Contents = { sizes: new Map(), links: new Map(), small: new Map() };
  await readArchive(file, async (name, data, size, link) => {
    if (link !== undefined) {
      contents.links.set(name, link);
      return;
    }
    contents.sizes.set(name, size);
    if (size > smallFile) return;
    const chunks: Buffer[] = [];
    for await (const chunk of data as AsyncIterable<Buffer>) chunks.push(chunk);
    contents.small.set(name, Buffer.concat(chunks).toString('utf8'));
  });
  return contents;
}

/** Old `docker save` stores a layer once and links to it: `../<id>/layer.tar`. */
function resolveLink(contents: Contents, name: string): string {
  const link = contents.links.get(name);
  if (link === undefined) return name;
  const target = new URL(link, `file:///${name}`).pathname.slice(1);
  return contents.sizes.has(target) ? target : link;
}

/** Calls `visit` for each file of a tar, in order; what it leaves unread is skipped. */
async function readArchive(
  file: string,
  visit: (name: string, data: Readable, size: number, link: string | undefined) => Promise<void>,
): Promise<void> {
  const source = createReadStream(file, { highWaterMark: 256 << 10 });
  const tar = extract();
  const fed = (await isGzip(file)) ? pipeline(source, createGunzip(), tar) : pipeline(source, tar);
  fed.catch(() => undefined);
  try {
    for await (const entry of tar) {
      const { name, type, size, linkname } = entry.header;
      const link = type === 'symlink' || type === 'link' ? (linkname ?? '') : undefined;
      if (type === 'file' || link !== undefined) {
        await visit(name.replace(/^\.\//, ''), entry as unknown as Readable, size ?? 0, link);
      }
      entry.resume();
    }
    await fed;
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError(`${file} cannot be read as a tar: ${(cause as Error).message}`, cause);
  } finally {
    source.destroy();
  }
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Descriptor, type Digest, mediaTypes } from '../../shared/oci/types.ts';
import { cacheDir, writeFileAtomic } from '../cache.ts';
import { type Entry, sortEntries } from './entry.ts';
import type { OciLayout } from './layout.ts';
import { pack, writeEntry } from './tar.ts';

export interface Layer {
  descriptor: Descriptor;
  /** Digest of the uncompressed tar. */
  diffId: Digest;
  createdBy: string;
}

/** Raise when the bytes of a layer would change for the same input, so that no old one is taken from the cache. */
const formatVersion = 1;

/** Writes a layer of these entries into the layout: sorted, gzip-compressed, the same bytes for the same entries. */
export async function writeLayer(layout: OciLayout, entries: Entry[], createdBy: string): Promise<Layer> {
  const blobs = join(layout.dir, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const temporary = join(blobs, `.${randomBytes(6).toString('hex')}.part`);
  const tarHash = createHash('sha256');
  const blobHash = createHash('sha256');
  let size = 0;
  const tar = pack();
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      tarHash.update(chunk);
      done(null, chunk);
    },
  });
  const counting = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      blobHash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  try {
    const written = pipeline(tar, hashing, createGzip({ level: 6 }), counting, createWriteStream(temporary));
    const feeding = (async () => {
      for (const entry of sortEntries(entries)) await writeEntry(tar, entry);
      tar.finalize();
    })();
    await Promise.all([feeding, written]);
    const digest: Digest = `sha256:${blobHash.digest('hex')}`;
    const path = layout.blobPath(digest);
    await mkdir(dirname(path), { recursive: true });
    await rename(temporary, path);
    return {
      descriptor: { mediaType: mediaTypes.layerGzip, digest, size },
      diffId: `sha256:${tarHash.digest('hex')}`,
      createdBy,
    };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The layer that `make` gives, built once per `key`: a key names everything that the layer's bytes come from. */
export async function cachedLayer(
  layout: OciLayout,
  key: string,
  createdBy: string,
  make: () => Promise<Entry[]>,
): Promise<Layer> {
  const name = createHash('sha256').update(`${formatVersion}\0${key}`).digest('hex');
  const record = cacheDir('layers', `${name}.json`);
  if (existsSync(record)) {
    const layer = JSON.parse(await readFile(record, 'utf8')) as Layer;
    if (layout.has(layer.descriptor.digest)) return { ...layer, createdBy };
  }
  const layer = await writeLayer(layout, await make(), createdBy);
  await writeFileAtomic(record, JSON.stringify(layer));
  return layer;
}

import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { type Extract, extract as tarExtract } from 'tar-stream';
import { type Recipe, TarSplitter } from '../../src/shared/delta/recipe.ts';
import { type Digest, mediaTypes } from '../../src/shared/oci/types.ts';
import { errorCode, messageOf, StoreError } from './errors.ts';
import { LayerWriter } from './layer-writer.ts';

const decompressors = {
  [mediaTypes.layer]: undefined,
  [mediaTypes.layerGzip]: createGunzip,
  [mediaTypes.layerZstd]: createZstdDecompress,
  'application/vnd.docker.image.rootfs.diff.tar.gzip': createGunzip,
} as const;

export type LayerMediaType = keyof typeof decompressors;

export function isLayerMediaType(text: string): text is LayerMediaType {
  return Object.hasOwn(decompressors, text);
}

export interface ReceiveLayer {
  /** The blob as stored. */
  source: AsyncIterable<Uint8Array>;
  mediaType: LayerMediaType;
  /** Of the blob. */
  digest: Digest;
  /** Of the tar in it. */
  diffId: Digest;
  /** Existing, empty folder that nobody else writes to. */
  folder: string;
  /** The uncompressed tar may have at most so many bytes; a small blob can hold a very large one. */
  maxBytes: number;
}

/**
 * Unpacks a layer while it arrives, and checks both digests. Rejects with a `StoreError` when the blob is not what it
 * should be; `folder` then holds a part of it that must not be used. Nothing is synced to the disk. Resolves with the recipe of
 * the tar, unless that would be too large.
 */
export async function receiveLayer(options: ReceiveLayer): Promise<Recipe | undefined> {
  const blobHash = createHash('sha256');
  const tarHash = createHash('sha256');
  const splitter = new TarSplitter();
  const extract = tarExtract();
  let failure: unknown;
  let tarError: unknown;
  let endedEarly: UnpackingEnded | undefined;
  extract.on('error', (error) => {
    if (failure === undefined) tarError = error;
  });
  const unpacked = unpack(extract, options.folder);

  const source = Readable.from(hashed(options.source, blobHash), { objectMode: false });
  const decompressor = decompressors[options.mediaType]?.();
  const sink = (tar: AsyncIterable<Uint8Array>) => feed(tar, extract, [tarHash, splitter], options.maxBytes);
  const arrived = decompressor ? pipeline(source, decompressor, sink) : pipeline(source, sink);

  // Whatever fails first is the reason; it ends the other side too, which may be told of that before we are.
  const fail = (error: unknown) => {
    if (error instanceof UnpackingEnded) endedEarly = error;
    else failure ??= error;
    // Without an error its iterator would wait for ever if it is destroyed while an entry is being worked on.
    extract.destroy(new Error('the transfer failed'));
    source.destroy();
  };
  await Promise.all([unpacked.catch(fail), arrived.catch(fail)]);
  failure ??= endedEarly;
  if (failure !== undefined) throw explain(failure, tarError, options.mediaType);
  check(options, `sha256:${blobHash.digest('hex')}`, `sha256:${tarHash.digest('hex')}`);
  return splitter.end();
}

/** What comes has nobody who takes it; why, the taker says. */
class UnpackingEnded extends Error {}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

async function feed(
  tar: AsyncIterable<Uint8Array>,
  extract: Extract,
  [hash, splitter]: readonly [Hash, TarSplitter],
  maxBytes: number,
): Promise<void> {
  let size = 0;
  for await (const chunk of tar) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new StoreError(
        'full',
        `the layer is larger than the ${Math.floor(maxBytes / 1024)} KiB the device has free`,
      );
    }
    hash.update(chunk);
    splitter.push(chunk);
    // One that is closed already says nothing any more.
    if (!extract.write(chunk) && !extract.destroyed) await drained(extract);
    if (extract.destroyed) throw new UnpackingEnded('unpacking ended before the layer did');
  }
  extract.end(null);
}

function drained(extract: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      extract.off('drain', done);
      extract.off('close', done);
      resolve();
    };
    extract.on('drain', done);
    extract.on('close', done);
  });
}

async function unpack(extract: Extract, folder: string): Promise<void> {
  const writer = new LayerWriter(folder);
  for await (const entry of extract) {
    await writer.add(entry.header, entry);
    entry.resume();
  }
  await writer.finish();
}

function explain(error: unknown, tarError: unknown, mediaType: string): unknown {
  if (error instanceof StoreError) return error;
  if (tarError !== undefined) {
    return new StoreError('invalid', `the layer is not a good tar: ${messageOf(tarError)}`, tarError);
  }
  const code = errorCode(error);
  if (code?.startsWith('Z_') || code?.startsWith('ZSTD_') || code === 'ERR_TRAILING_JUNK_AFTER_STREAM_END') {
    return new StoreError('invalid', `the layer cannot be decompressed as ${mediaType}: ${messageOf(error)}`, error);
  }
  return error;
}

function check(expected: { digest: Digest; diffId: Digest }, digest: string, diffId: string): void {
  const wrong: string[] = [];
  if (digest !== expected.digest) wrong.push(`its blob has the digest ${digest} instead of ${expected.digest}`);
  if (diffId !== expected.diffId) wrong.push(`its tar has the digest ${diffId} instead of ${expected.diffId}`);
  if (wrong.length === 0) return;
  throw new StoreError('invalid', `the layer is not what was announced: ${wrong.join(', ')}; nothing of it was kept`);
}

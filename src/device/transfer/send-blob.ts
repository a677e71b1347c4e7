import { PassThrough, Readable } from 'node:stream';
import { z } from 'zod';
import type { UploadStatus } from '../../shared/api/types.ts';
import type { Digest } from '../../shared/oci/types.ts';
import type { ApiClient } from '../api-client.ts';
import { ApiError } from '../errors.ts';
import { Pieces } from './pieces.ts';
import { type Blob, verified } from './verified.ts';

/** So much is sent again at most after a break, and smaller blobs go at once: bytes, or what the line takes in that time. */
const blockBytes = 64 << 10;
const blockSeconds = 0.25;
/** Progress is told this often at most, so that a fast link is not spent on telling. */
const progressStepMs = 100;
/** Somebody else sends the same blob and is ahead, or behind: so often we look where it is now. */
const mostCollisions = 5;

const statusSchema = z.object({ offset: z.number().int().nonnegative() }) satisfies z.ZodType<UploadStatus>;

export interface SendContext {
  api: ApiClient;
  signal?: AbortSignal | undefined;
  /** By what is known so far: it is asked before each block. */
  bytesPerSecond(): number;
  /** Told how much of a blob that is sent in parts the device has, whenever that was asked. */
  onOffset?: (digest: Digest, offset: number) => void;
}

/** What a blob is sent for. */
export interface BlobTarget {
  /** `PUT` of it uses the blob: its body, or with `upload=DIGEST` what was sent in parts. */
  path: string;
  /** Which blobs are sent in parts: `large` ones, if the device can keep them, else at once. `only`: 507 when it cannot. */
  parts?: 'large' | 'only' | 'never';
  /** How much room the device needs for what is made of the blob, if not what a layer needs. In bytes. */
  makes?: number;
}

/**
 * Sends a blob, from where an earlier sending broke off. Yields, now and then, how many of its bytes the device has; one that
 * keeps no parts does not tell, then it is how many were read here. Rejects with a `TransportError` when the connection breaks,
 * and what has arrived stays there; with `ApiError` when
 * the device refuses, with `ImageError` when the blob is not what it should be.
 */
export async function* sendBlob(
  context: SendContext,
  target: BlobTarget,
  blob: Blob,
  what: string,
): AsyncGenerator<number> {
  const { api, signal } = context;
  const { path, parts = 'large' } = target;
  const headers = { 'Content-Type': blob.mediaType, 'X-Gantry-Digest': blob.digest };
  const wanted = parts === 'only' || (parts === 'large' && blob.size > blockBytes);
  if (wanted && (yield* sendInParts(context, target, blob, what))) {
    const upload = `${path.includes('?') ? '&' : '?'}upload=${blob.digest}`;
    await api.put(`${path}${upload}`, Readable.from([]), { headers, length: 0, signal });
    return;
  }
  if (parts === 'only') throw new ApiError(507, 'the device has no room to keep what arrives');
  if (blob.size <= blockBytes) {
    yield 0;
    // What buffers take at once would be told as sent, seconds before it is.
    const body = await verified(blob, what, 0, () => undefined);
    await api.put(path, body, { headers, length: blob.size, signal });
    yield blob.size;
    return;
  }
  yield* withProgress(blob, what, (body) => api.put(path, body, { headers, length: blob.size, signal }));
}

/** False when the device cannot keep parts: it is of an older version, or has no room for the blob beside its layer. */
async function* sendInParts(
  context: SendContext,
  { makes }: BlobTarget,
  blob: Blob,
  what: string,
): AsyncGenerator<number, boolean> {
  const path = `/gantry/v1/uploads/${blob.digest}`;
  for (let collisions = 0; ; collisions++) {
    const offset = await offsetOf(context, path);
    if (offset === undefined) return false;
    context.onOffset?.(blob.digest, offset);
    yield offset;
    if (offset >= blob.size) return true;
    try {
      yield* sendBlocks(context, path, blob, { what, offset, makes });
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 507) return false;
      if (error.status !== 409 || collisions === mostCollisions) throw error;
    }
  }
}

/** The next block leaves when the device has the one before: what is on its way is lost when the line or the device is. */
async function* sendBlocks(
  context: SendContext,
  path: string,
  blob: Blob,
  { what, offset, makes }: { what: string; offset: number; makes: number | undefined },
): AsyncGenerator<number> {
  const { api, signal } = context;
  const { size } = blob;
  const body = await verified(blob, what, offset, () => undefined);
  try {
    const pieces = new Pieces(body);
    let told = performance.now();
    for (let at = offset; at < size; ) {
      const most = Math.max(blockBytes, Math.round(context.bytesPerSecond() * blockSeconds));
      const length = Math.min(most, size - at);
      const headers = {
        'Content-Type': 'application/offset+octet-stream',
        'Upload-Offset': String(at),
        'Upload-Length': String(size),
        ...(makes !== undefined && { 'Upload-Makes': String(makes) }),
      };
      await api.put(path, pieces.take(length), { method: 'PATCH', headers, length, signal });
      at += length;
      const now = performance.now();
      if (now - told < progressStepMs && at < size) continue;
      told = now;
      yield at;
    }
  } finally {
    body.destroy();
  }
}

/** How much of a blob the device has; undefined when it does not know of parts. */
async function offsetOf({ api, signal }: SendContext, path: string): Promise<number | undefined> {
  try {
    return (await api.get(path, statusSchema, { signal })).offset;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return undefined;
    throw error;
  }
}

async function* withProgress(
  blob: Blob,
  what: string,
  send: (body: Readable) => Promise<void>,
): AsyncGenerator<number> {
  const progress = new PassThrough({ objectMode: true });
  let told = 0;
  const body = await verified(blob, what, 0, (done) => {
    const now = performance.now();
    if (now - told < progressStepMs) return;
    told = now;
    progress.write(done);
  });
  const sent = send(body).then(
    () => progress.end(),
    (error: Error) => progress.destroy(error),
  );
  try {
    yield* progress as AsyncIterable<number>;
  } finally {
    // Whoever stopped listening stops the sending.
    body.destroy();
    await sent;
  }
}

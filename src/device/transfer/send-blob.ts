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
  bytesPerSecond: number;
  /** Told where a sending goes on that had begun before. */
  onResume?: (digest: Digest, offset: number) => void;
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
 * Sends a blob, from where an earlier sending broke off. Yields, now and then, how many of its bytes have
 * left. Rejects with a `TransportError` when the connection breaks, and what has arrived stays there; with `ApiError` when
 * the device refuses, with `ImageError` when the blob is not what it should be.
 */
export async function* sendBlob(
  context: SendContext,
  target: BlobTarget,
  blob: Blob,
  what: string,
): AsyncGenerator<number> {
  const { path, parts = 'large' } = target;
  const wanted = parts === 'only' || (parts === 'large' && blob.size > blockBytes);
  const inParts = wanted && (yield* sendInParts(context, target, blob, what));
  if (parts === 'only' && !inParts) throw new ApiError(507, 'the device has no room to keep what arrives');
  const headers = { 'Content-Type': blob.mediaType, 'X-Gantry-Digest': blob.digest };
  if (!inParts) {
    yield* withProgress(blob, what, 0, (body) =>
      context.api.put(path, body, { headers, length: blob.size, signal: context.signal }),
    );
    return;
  }
  const nothing = Readable.from([]);
  const upload = `${path.includes('?') ? '&' : '?'}upload=${blob.digest}`;
  await context.api.put(`${path}${upload}`, nothing, { headers, length: 0, signal: context.signal });
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
    if (offset > 0) context.onResume?.(blob.digest, offset);
    yield offset;
    if (offset >= blob.size) return true;
    try {
      yield* withProgress(blob, what, offset, (body) =>
        sendBlocks(context, path, body, { offset, size: blob.size, makes }),
      );
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 507) return false;
      if (error.status !== 409 || collisions === mostCollisions) throw error;
    }
  }
}

/** The next block leaves when the device has the one before: what is on its way is lost when the line or the device is. */
async function sendBlocks(
  { api, signal, bytesPerSecond }: SendContext,
  path: string,
  body: Readable,
  { offset, size, makes }: { offset: number; size: number; makes: number | undefined },
): Promise<void> {
  const most = Math.max(blockBytes, Math.round(bytesPerSecond * blockSeconds));
  const pieces = new Pieces(body);
  for (let at = offset; at < size; ) {
    const length = Math.min(most, size - at);
    const headers = {
      'Content-Type': 'application/offset+octet-stream',
      'Upload-Offset': String(at),
      'Upload-Length': String(size),
      ...(makes !== undefined && { 'Upload-Makes': String(makes) }),
    };
    await api.put(path, pieces.take(length), { method: 'PATCH', headers, length, signal });
    at += length;
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
  from: number,
  send: (body: Readable) => Promise<void>,
): AsyncGenerator<number> {
  const progress = new PassThrough({ objectMode: true });
  let told = 0;
  const body = await verified(blob, what, from, (done) => {
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

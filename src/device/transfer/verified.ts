import { createHash } from 'node:crypto';
import { type Readable, Transform } from 'node:stream';
import { messageOf } from '../../shared/message-of.ts';
import type { Digest } from '../../shared/oci/types.ts';
import { ImageError } from '../errors.ts';

/** A blob to send. */
export interface Blob {
  digest: Digest;
  /** In bytes. */
  size: number;
  mediaType: string;
  /** The whole blob, not checked yet. Rejects with `ImageError`. */
  open(): Promise<Readable>;
}

/**
 * The bytes of a blob from `from` on, while number and digest of all of them are right. The last bytes are held back until
 * all were checked, so that a wrong blob never arrives whole. `what` names it for people: "web:2: the layer sha256:…".
 */
export async function verified(
  { open, digest, size }: Blob,
  what: string,
  from: number,
  onProgress: (done: number) => void,
): Promise<Readable> {
  const blob = await open();
  const hash = createHash('sha256');
  let done = 0;
  let held: Buffer | undefined;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      hash.update(chunk);
      const start = done;
      done += chunk.length;
      if (done > size) {
        next(new ImageError(`${what} is larger than its ${size} bytes: the image is damaged`));
        return;
      }
      const wanted = chunk.subarray(Math.min(chunk.length, Math.max(0, from - start)));
      if (wanted.length === 0) {
        next();
        return;
      }
      const before = held;
      held = wanted;
      onProgress(done);
      next(null, before);
    },
    flush(next) {
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual !== digest || done !== size) {
        const flaw = done === size ? `has the digest ${actual}` : `has ${done} bytes instead of ${size}`;
        next(new ImageError(`${what} ${flaw}: the image is damaged, nothing was changed`));
      } else next(null, held);
    },
  });
  blob.on('error', (error) => {
    const damaged = `${what} cannot be read to its end: ${messageOf(error)}; nothing was changed`;
    check.destroy(error instanceof ImageError ? error : new ImageError(damaged, error));
  });
  check.on('close', () => blob.destroy());
  // It may be damaged before anybody reads; who reads then is told.
  check.on('error', () => undefined);
  return blob.pipe(check);
}

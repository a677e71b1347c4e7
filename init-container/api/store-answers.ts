import type { IncomingMessage } from 'node:http';
import { isDigest } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { StoreError } from '../store/errors.ts';
import { HttpError } from './router.ts';

/** How the store's refusals are answered. */
export const storeStatuses = { invalid: 400, refused: 409, full: 507, unknown: 404, difference: 422 } as const;

export async function withStoreStatus<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreError) throw new HttpError(storeStatuses[error.kind], error.message);
    throw error;
  }
}

export function digestParam(text: string | undefined, what: string): Digest {
  if (text !== undefined && isDigest(text)) return text;
  throw new HttpError(400, `${what} is not a sha256 digest (sha256: and 64 hex digits)`);
}

/** A header that counts bytes. */
export function numberHeader(request: IncomingMessage, name: string): number {
  const text = request.headers[name.toLowerCase()];
  if (typeof text === 'string' && /^\d{1,15}$/.test(text)) return Number(text);
  throw new HttpError(400, `the header ${name} is not a number of bytes`);
}

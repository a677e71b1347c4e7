import { createHash } from 'node:crypto';
import type { Digest } from './types.ts';

const pattern = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return pattern.test(text);
}

/** Digest of the given bytes; strings are hashed as UTF-8. */
export function digestOf(data: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

/** The 64 hex digits of a digest: a safe file name. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** First 12 hex digits, as Docker shows them. */
export function shortDigest(digest: string): string {
  return digest.slice(7, 19);
}

/**
 * Why the store did not take something. `invalid`: what was sent is wrong (or not what its digest says). `refused`: it is
 * well formed, but not wanted here. `unknown`: no such image. `full`: the data partition has no room for it. `difference`: it
 * does not fit what is here, or is none; the whole would do.
 */
export class StoreError extends Error {
  readonly kind: 'invalid' | 'refused' | 'unknown' | 'full' | 'difference';
  constructor(kind: StoreError['kind'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StoreError';
    this.kind = kind;
  }
}

/** The `code` of a system error (`ENOSPC`), else undefined. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function isFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

export { messageOf } from '../../src/shared/message-of.ts';

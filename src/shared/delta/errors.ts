/**
 * Why a difference cannot be used. `base`: this side lacks what it builds on, or has something else in its place; `version`: it is
 * of another version of the format; `limit`: it is larger than it may be; `invalid`: it is damaged, or was never one. After each of
 * them the layer can be sent whole. `size`: there is no room for what it makes, however that comes.
 */
export class DeltaError extends Error {
  readonly code: 'base' | 'version' | 'limit' | 'invalid' | 'size';
  constructor(code: DeltaError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'DeltaError';
    this.code = code;
  }
}

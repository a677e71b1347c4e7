/**
 * Why a swap does not begin. `unknown`: no such component or revision. `conflict`: not now, or not without insisting.
 * `unsupported`: not with this kind of component.
 */
export class SwapError extends Error {
  readonly kind: 'unknown' | 'conflict' | 'unsupported';
  constructor(kind: SwapError['kind'], message: string) {
    super(message);
    this.name = 'SwapError';
    this.kind = kind;
  }
}

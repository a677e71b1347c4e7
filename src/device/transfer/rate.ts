import type { TransferRate } from '../../shared/api/types.ts';
import type { Transport } from '../../transport/transport.ts';

/** So much must have left before a measurement counts: what buffers take at once says nothing of the line. In bytes. */
const leastMeasured = 256 << 10;
const leastMeasuredMs = 1000;
/** What is smaller says more of how soon the device answers than of the line. In bytes. */
const leastCounted = 32 << 10;
/** Where nothing is known and nothing was measured: a network with some delay, and this very machine. Bytes a second. */
const guesses = { ssh: 2e6, unix: 100e6, serial: 11_000 } as const;

/** How fast a device is sent to. */
export class RateMeter {
  readonly #first: TransferRate;
  #bytes = 0;
  #ms = 0;

  constructor({ kind, bytesPerSecond }: Pick<Transport, 'kind' | 'bytesPerSecond'>) {
    this.#first =
      bytesPerSecond === undefined
        ? { bytesPerSecond: guesses[kind], how: 'guessed' }
        : { bytesPerSecond, how: 'known' };
  }

  /** So many bytes left in so long. */
  add(bytes: number, ms: number): void {
    if (bytes < leastCounted) return;
    this.#bytes += bytes;
    this.#ms += ms;
  }

  get rate(): TransferRate {
    if (this.#bytes < leastMeasured || this.#ms < leastMeasuredMs) return this.#first;
    return { bytesPerSecond: (1000 * this.#bytes) / this.#ms, how: 'measured' };
  }
}

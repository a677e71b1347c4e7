import type { TransferRate } from '../../shared/api/types.ts';
import type { Digest } from '../../shared/oci/types.ts';
import type { ApiClient } from '../api-client.ts';
import type { RateMeter } from './rate.ts';
import { type BlobTarget, sendBlob } from './send-blob.ts';
import type { Blob } from './verified.ts';

export interface SendingContext {
  api: ApiClient;
  rates: RateMeter;
  signal?: AbortSignal | undefined;
}

/** Sends blobs, measures how fast that goes, and remembers over several attempts how far each has come. */
export class Sending {
  readonly #context: SendingContext;
  readonly #furthest = new Map<Digest, number>();

  constructor(context: SendingContext) {
    this.#context = context;
  }

  /**
   * As `sendBlob`. `gotOn` is called when the blob is further than it ever was; `goesOnAt` is where an earlier sending had broken
   * off, the first time after that.
   */
  async *send(
    target: BlobTarget,
    blob: Blob,
    what: string,
    gotOn: () => void,
  ): AsyncGenerator<{ sent: number; goesOnAt?: number }> {
    const { api, rates, signal } = this.#context;
    let goesOnAt: number | undefined;
    const onResume = (_digest: Digest, offset: number) => {
      goesOnAt = offset;
    };
    let at = performance.now();
    let left: number | undefined;
    const { bytesPerSecond } = rates.rate;
    for await (const sent of sendBlob({ api, signal, bytesPerSecond, onResume }, target, blob, what)) {
      if (sent > (this.#furthest.get(blob.digest) ?? 0)) {
        this.#furthest.set(blob.digest, sent);
        gotOn();
      }
      if (goesOnAt !== undefined) left = undefined;
      yield { sent, ...(goesOnAt !== undefined && { goesOnAt }) };
      goesOnAt = undefined;
      const now = performance.now();
      if (left !== undefined) rates.add(sent - left, now - at);
      left = sent;
      at = now;
    }
  }
}

/** How far a transfer is, how fast it goes and how long it takes from here. Bytes, seconds. */
export function progressOf(done: number, total: number, { bytesPerSecond }: TransferRate) {
  return { done, total, bytesPerSecond, secondsLeft: (total - done) / bytesPerSecond };
}

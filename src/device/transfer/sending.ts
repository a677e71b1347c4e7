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
    let left: number | undefined;
    const reached = (digest: Digest, offset: number) => {
      if (offset > (this.#furthest.get(digest) ?? 0)) gotOn();
      this.#furthest.set(digest, offset);
    };
    const onOffset = (digest: Digest, offset: number) => {
      if (offset > 0) goesOnAt = offset;
      left = undefined;
      reached(digest, offset);
    };
    const bytesPerSecond = () => rates.rate.bytesPerSecond;
    let at = performance.now();
    for await (const sent of sendBlob({ api, signal, bytesPerSecond, onOffset }, target, blob, what)) {
      if (sent > (this.#furthest.get(blob.digest) ?? 0)) reached(blob.digest, sent);
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

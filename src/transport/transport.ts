import type { Duplex } from 'node:stream';
import { sanitizeText } from '../shared/text/sanitize.ts';

/** How the host reaches a device. Gives byte streams to the device's API socket and nothing else. */
export interface Transport {
  readonly kind: 'ssh' | 'serial' | 'unix';
  /** For people: `ssh root@192.168.1.7:22`. */
  readonly description: string;
  /** What the line takes at most, where that is known beforehand: a serial one. */
  readonly bytesPerSecond?: number;
  /**
   * A new byte stream to the API socket; half-close works both ways. Connects first if need be, at most for as long as
   * the transport's own deadline (then rejects with a `TransportError` that says what to do next).
   */
  open(): Promise<Duplex>;
  /** Called when the connection below the streams is lost; every stream has then been destroyed with an error. */
  onLost(listener: (reason: string) => void): () => void;
  /** Called with what is seen of a device that is waited for, in words, when that changes. Only where something is seen. */
  onWaiting?(listener: (words: string) => void): () => void;
  close(): Promise<void>;
}

/**
 * `retry`: whether trying again later can help (a refused key cannot be mended by waiting). The message may quote what the
 * other end said, so it is made safe to show here.
 */
export class TransportError extends Error {
  readonly retry: boolean;
  constructor(message: string, options: { retry: boolean; cause?: unknown }) {
    super(sanitizeText(message, { color: false }), { cause: options.cause });
    this.name = 'TransportError';
    this.retry = options.retry;
  }
}

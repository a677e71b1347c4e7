import type { SwapEvent } from '../../src/shared/api/types.ts';

/** The events of one swap: any number of readers, each gets all of them from the first on, and then those to come. */
export class SwapEvents {
  readonly #events: SwapEvent[] = [];
  #waiting: (() => void)[] = [];

  constructor(events: readonly SwapEvent[] = []) {
    this.#events.push(...events);
  }

  get ended(): boolean {
    const last = this.#events.at(-1);
    return last?.stage === 'done' || last?.stage === 'failed';
  }

  publish(event: SwapEvent): void {
    this.#events.push(event);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Ends with the swap's last event, or when `signal` aborts. */
  async *follow(signal?: AbortSignal): AsyncGenerator<SwapEvent> {
    for (let next = 0; !signal?.aborted; next++) {
      while (next >= this.#events.length && !this.ended && !signal?.aborted) await this.#more(signal);
      const event = this.#events[next];
      if (!event) return;
      yield event;
    }
  }

  #more(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.push(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}

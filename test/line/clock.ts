import type { Clock } from '../../src/shared/link/clock.ts';

interface Timer {
  at: number;
  order: number;
  action: (() => void) | undefined;
}

/** Time that passes only when nothing is left to do now: an hour of a line takes seconds, and always the same steps. */
export class SimulatedClock implements Clock {
  #now = 0;
  #order = 0;
  /** A binary heap, the earliest first; of two at one time the one that was set first. */
  readonly #heap: Timer[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): () => void {
    this.#order += 1;
    // A wait shorter than the last digit of the time would be none, and whoever waits again and again would wait for ever.
    const least = ms > 0 ? this.#now * (1 + Number.EPSILON) : this.#now;
    const timer: Timer = { at: Math.max(this.#now + ms, least), order: this.#order, action };
    this.#push(timer);
    return () => {
      timer.action = undefined;
    };
  }

  /** Lets time pass until `condition` holds (true), or for `limitMs` (false). */
  async runUntil(condition: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#now + limitMs;
    for (;;) {
      // Streams do their work in ticks and microtasks, which all run before an immediate.
      await new Promise((resolve) => setImmediate(resolve));
      if (condition()) return true;
      while (this.#heap[0] && !this.#heap[0].action) this.#pop();
      const next = this.#heap[0];
      if (!next || next.at > end) {
        this.#now = end;
        return condition();
      }
      this.#pop();
      this.#now = Math.max(this.#now, next.at);
      const { action } = next;
      next.action = undefined;
      action?.();
    }
  }

  async run(ms: number): Promise<void> {
    await this.runUntil(() => false, ms);
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (!above || isBefore(above, timer)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      const isRight = right !== undefined && left !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!child || isBefore(last, child)) break;
      heap[index] = child;
      index = 2 * index + (isRight ? 2 : 1);
    }
    heap[index] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

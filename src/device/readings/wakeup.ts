/** A wait that someone else can cut short. */
export class Wakeup {
  private woken = false;
  private resolve: (() => void) | undefined;

  /** Ends the wait that is under way, or the next one. */
  wake(): void {
    this.woken = true;
    this.resolve?.();
  }

  /** Waits until `wake`, at most `ms` milliseconds. Rejects when `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.woken) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          this.resolve = undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done, { once: true });
        this.resolve = done;
      });
    }
    this.woken = false;
    signal.throwIfAborted();
  }
}

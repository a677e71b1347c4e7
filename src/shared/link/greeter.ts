import { Alarm, type Clock } from './clock.ts';
import { LinkError } from './link-error.ts';

/** The first attempts come quickly, for a device that only lost one; then one a second. */
const INTERVALS = [300, 300, 300, 1000] as const;
/** Nothing is sent while the other side prints, because it may lose what it receives meanwhile. */
const QUIET_MS = 250;
/** A device that never stops printing is greeted after all. */
const LONGEST_WAIT_MS = 3000;
/** A boot loader that waits for a key would take the greeting for one. */
const BOOT_LOADER_WAIT_MS = 15_000;
const bootLoader = /(?:hit|press) any key|autoboot|U-Boot SPL|GNU GRUB|\bPress \S+ (?:key )?(?:to|for) [^\n]*$/i;
const KEPT_TEXT = 1024;

/** A host's attempts to be heard by a device that may still be booting. */
export class Greeter {
  readonly #clock: Clock;
  readonly #send: (session: number) => void;
  readonly #alarm: Alarm;
  #recent = '';
  #textAt = Number.NEGATIVE_INFINITY;
  #sentAt = 0;
  #attempts = 0;
  #session = 0;
  #settle: ((error?: LinkError) => void) | undefined;

  constructor(clock: Clock, send: (session: number) => void) {
    this.#clock = clock;
    this.#send = send;
    this.#alarm = new Alarm(clock, () => this.#attempt());
  }

  get recentText(): string {
    return this.#recent;
  }

  /** Resolves once `succeed` is called; rejects with what `fail` is given, or after the deadline. */
  run(session: number, options: { deadlineMs: number; signal?: AbortSignal }): Promise<void> {
    this.#session = session;
    this.#attempts = 0;
    this.#sentAt = this.#clock.now();
    return new Promise((resolve, reject) => {
      const abort = (): void => this.fail(new LinkError('aborted', 'connecting was cancelled'));
      const cancelDeadline = this.#clock.after(options.deadlineMs, () => {
        this.fail(new LinkError('timeout', `nothing answered within ${options.deadlineMs / 1000} s`));
      });
      this.#settle = (error) => {
        this.#settle = undefined;
        this.#alarm.clear();
        cancelDeadline();
        options.signal?.removeEventListener('abort', abort);
        if (error) reject(error);
        else resolve();
      };
      options.signal?.addEventListener('abort', abort);
      if (options.signal?.aborted) abort();
      else this.#attempt();
    });
  }

  succeed(): void {
    this.#settle?.();
  }

  fail(error: LinkError): void {
    this.#settle?.(error);
  }

  /** The device has just said that it listens: no need to wait. */
  hurry(): void {
    if (!this.#settle) return;
    this.#textAt = Number.NEGATIVE_INFINITY;
    this.#recent = '';
    this.#attempt();
  }

  sawText(text: Buffer): void {
    this.#recent = (this.#recent + text.toString('utf8')).slice(-KEPT_TEXT);
    this.#textAt = this.#clock.now();
  }

  #attempt(): void {
    const now = this.#clock.now();
    const sinceText = now - this.#textAt;
    const isBootLoader = sinceText < BOOT_LOADER_WAIT_MS && bootLoader.test(this.#recent.slice(-400));
    const isPrinting = sinceText < QUIET_MS && now - this.#sentAt < LONGEST_WAIT_MS;
    if (isBootLoader || isPrinting) {
      this.#alarm.set(QUIET_MS);
      return;
    }
    this.#sentAt = now;
    this.#send(this.#session);
    this.#alarm.set(INTERVALS[Math.min(this.#attempts, INTERVALS.length - 1)] ?? 1000);
    this.#attempts += 1;
  }
}

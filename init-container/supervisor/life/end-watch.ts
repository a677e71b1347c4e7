import { readExitCode } from '../../engine/exits.ts';
import { journal } from '../../native/journal.ts';
import { isRunning, signalProcess } from '../../native/processes.ts';
import type { ComponentView } from '../component-view.ts';

/** conmon writes the exit file a moment after the process ended; longer than this, and it will never come. */
const exitFileGraceMs = 3000;

/** Of Node's timers. */
const longestTimerMs = 2 ** 31 - 1;

/** Finds out that a component's container has ended, and how. */
export class EndWatch {
  readonly #component: ComponentView;
  readonly #onEnd: (exitCode: number) => void;
  #waiters: (() => void)[] = [];

  /** `onEnd` is called once for each run; after it, the component does not run. */
  constructor(component: ComponentView, onEnd: (exitCode: number) => void) {
    this.#component = component;
    this.#onEnd = onEnd;
  }

  /** Its exit file has changed, or may have. */
  notice(): void {
    if (!this.#component.running) return;
    const code = readExitCode(this.#component.instance);
    if (code !== undefined) this.#ended(code);
  }

  /** The slow check behind the exit file: a process that ended, or a conmon that was killed. */
  async check(): Promise<void> {
    const component = this.#component;
    const { process, conmon } = component.state;
    if (!component.running || !process) return;
    this.notice();
    if (!component.running) return;
    const isSame = () => component.running && component.state.process === process;
    const alive = await isRunning(process);
    if (alive && conmon && !(await isRunning(conmon))) {
      journal(
        `${component.name}: its conmon (PID ${conmon.pid}) is gone; ending the container, which cannot write any more`,
      );
      await signalProcess(process, 'SIGKILL');
      if (isSame()) this.#ended(137);
      return;
    }
    if (alive || component.state.process !== process) return;
    if (conmon && (await isRunning(conmon))) await this.endOrDelay(exitFileGraceMs);
    if (!isSame()) return;
    this.notice();
    if (component.running) this.#ended(255);
  }

  /** Resolves when the container does not run, with true, or after `ms`, which may be infinite. */
  async endOrDelay(ms: number): Promise<boolean> {
    if (!this.#component.running) return true;
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<void>((resolve) => this.#waiters.push(resolve));
    const delay = new Promise<void>((resolve) => {
      // A timer of more than 24 days would be due at once.
      if (ms <= longestTimerMs) timer = setTimeout(resolve, ms);
    });
    await Promise.race([ended, delay]);
    clearTimeout(timer);
    return !this.#component.running;
  }

  /** Waits, also without an exit file, until the container has ended or for `ms`. Resolves with whether it has. */
  async untilEnded(ms: number): Promise<boolean> {
    const giveUpAt = performance.now() + ms;
    for (;;) {
      const leftMs = giveUpAt - performance.now();
      if (await this.endOrDelay(Math.min(exitFileGraceMs, Math.max(0, leftMs)))) return true;
      await this.check();
      if (leftMs <= 0) return !this.#component.running;
    }
  }

  #ended(exitCode: number): void {
    this.#onEnd(exitCode);
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}

import { Alarm } from './clock.ts';
import type { SpeedMessage } from './speed-frames.ts';
import { FAST_SILENCE_MS, LossWatch, type SpeedSide, type SpeedSideOptions } from './speed-side.ts';

/** From the host's question until its last word. */
const TRIAL_MS = 900;

/** The device's side of the agreement: it goes where it is asked to, and comes back unless it hears that it should stay. */
export class DeviceSpeed implements SpeedSide {
  readonly #options: SpeedSideOptions;
  readonly #deadline: Alarm;
  readonly #losses = new LossWatch();
  #state: 'safe' | 'testing' | 'trial' | 'fast' = 'safe';
  #change = 0;
  #baud = 0;
  #refused = false;

  constructor(options: SpeedSideOptions) {
    this.#options = options;
    this.#deadline = new Alarm(options.clock, () => this.#back());
  }

  get isFast(): boolean {
    return this.#state === 'fast';
  }

  receive(message: SpeedMessage): void {
    const { type, change } = message;
    if (type === 'ask') void this.#asked(change, message.baud);
    if (change !== this.#change || this.#state === 'safe' || this.#state === 'testing') return;
    if (type === 'probe') this.#options.send({ ...message, type: 'echo' });
    if (type === 'commit') this.#commit();
    if (type === 'back') this.#back();
  }

  heard(): void {
    if (this.#state === 'fast') this.#deadline.set(FAST_SILENCE_MS);
  }

  /** A host prints nothing. */
  sawText(): void {}

  outcome(isLost: boolean): void {
    if (this.#state !== 'fast' || !this.#losses.count(isLost)) return;
    this.#options.sayBack(this.#change);
    this.#back();
  }

  stop(): void {
    this.#deadline.clear();
    this.#state = 'safe';
  }

  async #asked(change: number, baud: number): Promise<void> {
    const { line, pause, resume, send } = this.#options;
    if (this.#state !== 'safe') return;
    if (change === this.#change) {
      // It has not heard the answer; any other answer would have led somewhere.
      if (this.#refused) send({ type: 'refused', change });
      return;
    }
    this.#change = change;
    this.#baud = baud;
    this.#state = 'testing';
    this.#deadline.set(TRIAL_MS);
    pause();
    this.#refused = !(baud > (line.safe ?? 0) && (await line.test(baud)));
    if (this.#change !== change || this.#state !== 'testing') return;
    if (this.#refused) {
      this.#state = 'safe';
      this.#deadline.clear();
      send({ type: 'refused', change });
      resume(undefined);
      return;
    }
    this.#state = 'trial';
    send({ type: 'ready', change });
    await line.to(baud);
  }

  #commit(): void {
    this.#options.send({ type: 'committed', change: this.#change });
    if (this.#state === 'fast') return;
    this.#state = 'fast';
    this.#losses.clear();
    this.#deadline.set(FAST_SILENCE_MS);
    this.#options.resume(this.#baud);
  }

  #back(): void {
    this.stop();
    this.#options.pause();
    // Whatever else was begun meanwhile has paused the session for itself.
    void this.#options.line.toSafe().then(() => this.#state === 'safe' && this.#options.resume(undefined));
  }
}

import { Alarm, type Clock } from './clock.ts';

const PING_MS = 1000;
const WATCH_MS = 250;
const DEVICE_SILENCE_MS = 3000;
const HOST_SILENCE_MS = 6000;

export interface LivenessOptions {
  clock: Clock;
  role: 'host' | 'device';
  /** Milliseconds; default 3000 on the device, 6000 on the host. */
  silenceMs?: number;
  /** When something that must be answered was sent last. */
  lastSentAt(): number;
  ping(): void;
  /** A host says something as often as it can: see `FAST_SILENCE_MS`. */
  isUrgent(): boolean;
  /** Nothing was heard for too long; in words for the other side, and for this one. */
  onSilence(own: string, other: string): void;
}

/** Notices that the other side is gone. The host pings; the device becomes plain again soon after the pings stop. */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #alarm: Alarm;
  #heardAt = 0;
  #dueAt = 0;
  #isDoubtful = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#check());
  }

  start(): void {
    this.heard();
    this.#wait();
  }

  stop(): void {
    this.#alarm.clear();
  }

  /** A valid frame came. */
  heard(): void {
    this.#heardAt = this.#options.clock.now();
    this.#isDoubtful = false;
  }

  /** There are signs that the other side is gone: until it is heard, less patience is left. */
  doubt(): void {
    this.#isDoubtful = true;
  }

  #check(): void {
    const { clock, role, silenceMs, lastSentAt, ping, isUrgent, onSilence } = this.#options;
    const isHost = role === 'host';
    const usual = silenceMs ?? (isHost ? HOST_SILENCE_MS : DEVICE_SILENCE_MS);
    const limit = this.#isDoubtful ? Math.min(usual, DEVICE_SILENCE_MS) : usual;
    const now = clock.now();
    // A processor that others had meanwhile: what came in that time is still to be read, so it is nobody's silence.
    const lateMs = now - this.#dueAt;
    if (lateMs > WATCH_MS) this.#heardAt = Math.min(now, this.#heardAt + lateMs);
    if (now - this.#heardAt > limit) {
      const seconds = limit / 1000;
      onSilence(
        `nothing was heard for ${seconds} s`,
        `the ${isHost ? 'device' : 'host'} has been silent for ${seconds} s`,
      );
      return;
    }
    // Also while data are sent that nobody answers: on a bad line a ping, being small, arrives when they do not.
    const isDue = isUrgent() || this.#isDoubtful || now - Math.min(lastSentAt(), this.#heardAt) >= PING_MS - WATCH_MS;
    if (isHost && isDue) ping();
    this.#wait();
  }

  #wait(): void {
    this.#dueAt = this.#options.clock.now() + WATCH_MS;
    this.#alarm.set(WATCH_MS);
  }
}

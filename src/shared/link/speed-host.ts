import { Alarm } from './clock.ts';
import type { SpeedMessage } from './speed-frames.ts';
import { FAST_SILENCE_MS, LossWatch, type SpeedSide, type SpeedSideOptions } from './speed-side.ts';

const ASK_EVERY_MS = 150;
const ASK_MS = 450;
/** From the device's answer until it has committed itself. */
const TRIAL_MS = 600;
/** The device switches when its answer is out: it may be a little later than this side. */
const SETTLE_MS = 30;
const PROBES = 8;
const NEEDED = 7;
const PROBE_BYTES = 256;
/** All probes of a round take no longer than this on the line. */
const ROUND_MS = 60;
/** On top of their time on the line, for adapters and a busy device. */
const ROUND_WAIT_MS = 120;
const COMMIT_EVERY_MS = 60;
/** Until the next attempt, when this one has just failed; and when a speed that was agreed on did not last. */
const SOON_MS = 1000;
const LATER_MS = 10_000;
/** Strikes after which a rate is not tried again in this session. */
const OUT = 2;

export interface HostSpeedOptions extends SpeedSideOptions {
  /** Bits per second to try, the best first. */
  rates: readonly number[];
  /** The line went silent above the safe speed: the device may be another one by now. */
  onSilence(): void;
}

/** The host's side: asks for a faster speed, tries it out, and leaves it again when it does not hold. */
export class HostSpeed implements SpeedSide {
  readonly #options: HostSpeedOptions;
  readonly #repeat: Alarm;
  readonly #deadline: Alarm;
  readonly #losses = new LossWatch();
  readonly #strikes = new Map<number, number>();
  #state: 'safe' | 'asking' | 'switching' | 'probing' | 'committing' | 'fast' | 'over' = 'safe';
  #change = 0;
  #baud = 0;
  #round = 0;
  readonly #echoes = new Set<number>();

  constructor(options: HostSpeedOptions) {
    this.#options = options;
    this.#repeat = new Alarm(options.clock, () => this.#again());
    this.#deadline = new Alarm(options.clock, () => this.#late());
  }

  get isFast(): boolean {
    return this.#state === 'fast';
  }

  /** Asks for the best rate that has not failed. */
  start(): void {
    const { rates, pause } = this.#options;
    const baud = rates.find((rate) => (this.#strikes.get(rate) ?? 0) < OUT);
    if (baud === undefined) return;
    this.#change += 1;
    this.#baud = baud;
    this.#state = 'asking';
    pause();
    this.#deadline.set(ASK_MS);
    this.#again();
  }

  receive(message: SpeedMessage): void {
    const { type, change } = message;
    if (change !== this.#change) return;
    if (type === 'refused' && this.#state === 'asking') this.#fail(OUT, SOON_MS);
    if (type === 'ready' && this.#state === 'asking') void this.#switch();
    if (type === 'echo' && this.#state === 'probing') this.#echoed(message.index);
    if (type === 'committed') this.#committed();
    if (type === 'back' && this.#state === 'fast') this.#fail(1, LATER_MS);
  }

  heard(): void {
    // A device that sends packets at the new speed has committed itself.
    this.#committed();
    this.sawText();
  }

  sawText(): void {
    if (this.#state === 'fast') this.#deadline.set(FAST_SILENCE_MS);
  }

  outcome(isLost: boolean): void {
    if (this.#state !== 'fast' || !this.#losses.count(isLost)) return;
    this.#options.sayBack(this.#change);
    this.#fail(1, LATER_MS);
  }

  stop(): void {
    this.#state = 'over';
    this.#repeat.clear();
    this.#deadline.clear();
  }

  async #switch(): Promise<void> {
    const { line } = this.#options;
    const change = this.#change;
    this.#state = 'switching';
    this.#repeat.clear();
    this.#deadline.set(TRIAL_MS);
    const isGood = await line.to(this.#baud);
    if (this.#state !== 'switching' || this.#change !== change) return;
    if (!isGood) {
      this.#fail(OUT, SOON_MS);
      return;
    }
    this.#state = 'probing';
    this.#round = 0;
    this.#echoes.clear();
    this.#repeat.set(SETTLE_MS);
  }

  /** What has not been answered yet is said once more. */
  #again(): void {
    const { send } = this.#options;
    const change = this.#change;
    if (this.#state === 'safe') this.start();
    else if (this.#state === 'asking') {
      send({ type: 'ask', change, baud: this.#baud });
      this.#repeat.set(ASK_EVERY_MS);
    } else if (this.#state === 'committing') {
      send({ type: 'commit', change });
      this.#repeat.set(COMMIT_EVERY_MS);
    } else if (this.#state === 'probing') this.#probe();
  }

  #probe(): void {
    // Nothing at all may have come because the device was late; some but not enough is a bad line.
    if (this.#echoes.size > 0) {
      this.#fail(OUT, SOON_MS);
      return;
    }
    const bytesPerMs = this.#baud / 10_000;
    const size = Math.min(PROBE_BYTES, Math.floor((bytesPerMs * ROUND_MS) / PROBES));
    for (let index = 0; index < PROBES; index += 1) {
      const filling = pattern(size, this.#round * PROBES + index);
      this.#options.send({ type: 'probe', change: this.#change, index: this.#round * PROBES + index, filling });
    }
    this.#round += 1;
    this.#repeat.set((2 * PROBES * size) / bytesPerMs + ROUND_WAIT_MS);
  }

  #echoed(index: number): void {
    this.#echoes.add(index);
    if (this.#echoes.size < NEEDED) return;
    this.#state = 'committing';
    this.#again();
  }

  #committed(): void {
    if (this.#state !== 'committing') return;
    this.#state = 'fast';
    this.#repeat.clear();
    this.#losses.clear();
    this.#deadline.set(FAST_SILENCE_MS);
    this.#options.resume(this.#baud);
  }

  #late(): void {
    if (this.#state !== 'fast') {
      // Nobody answered at all: it may have been the bad moment of one side, and deserves a second attempt.
      this.#fail(1, SOON_MS);
      return;
    }
    this.#options.onSilence();
    this.#fail(1, LATER_MS);
  }

  /** To the safe speed, and later to the next one to be tried. */
  #fail(strikes: number, nextMs: number): void {
    const { line, pause, resume } = this.#options;
    this.#strikes.set(this.#baud, (this.#strikes.get(this.#baud) ?? 0) + strikes);
    this.#state = 'safe';
    this.#deadline.clear();
    this.#repeat.clear();
    pause();
    void line.toSafe().then(() => {
      if (this.#state !== 'safe') return;
      this.#repeat.set(nextMs);
      resume(undefined);
    });
  }
}

/** Long and short runs of equal bits, different in each frame: what a line that is too fast for itself gets wrong first. */
function pattern(size: number, seed: number): Buffer {
  const kinds = [0x00, 0xff, 0x55, 0x0f];
  return Buffer.from(
    Array.from({ length: size }, (_, at) => (kinds[(at >> 3) % kinds.length] ?? 0) ^ (at % 8 < 4 ? 0 : at * 29 + seed)),
  );
}

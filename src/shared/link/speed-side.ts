import type { Clock } from './clock.ts';
import type { LineSpeed } from './line-speed.ts';
import type { SpeedMessage } from './speed-frames.ts';

/** Above the safe speed, both sides leave it when nothing good was heard for so long; the host speaks three times in it. */
export const FAST_SILENCE_MS = 800;

export interface SpeedSideOptions {
  clock: Clock;
  line: LineSpeed;
  send(message: SpeedMessage): void;
  /** Tells the other side to go back, often enough that it hears. */
  sayBack(change: number): void;
  /** The session sends nothing until `resume`. */
  pause(): void;
  /** Goes on, at so many bits per second; undefined: at the safe speed. */
  resume(baud: number | undefined): void;
}

/** One side's part in the speed of one session. */
export interface SpeedSide {
  /** Both sides have agreed on more than the safe speed. */
  readonly isFast: boolean;
  receive(message: SpeedMessage): void;
  /** An undamaged packet came from the other side. */
  heard(): void;
  /** Text that can be read came. */
  sawText(): void;
  /** What became of a packet that was sent. */
  outcome(isLost: boolean): void;
  /** The session is over. Whoever ends it brings the port to the safe speed. */
  stop(): void;
}

const WATCHED = 32;
const TOO_MANY = 16;

/** Every second packet lost: frames are as short as they get by then, and even so they do not arrive. */
export class LossWatch {
  #outcomes: boolean[] = [];

  /** Whether the line has become too bad. */
  count(isLost: boolean): boolean {
    this.#outcomes.push(isLost);
    if (this.#outcomes.length > WATCHED) this.#outcomes.shift();
    return this.#outcomes.filter(Boolean).length >= TOO_MANY;
  }

  clear(): void {
    this.#outcomes = [];
  }
}

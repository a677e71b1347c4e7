import type { Progress } from '../compose/progress.ts';
import type { LogLine } from '../device/device.ts';
import type { SwapEvent } from '../shared/api/types.ts';
import type { RoundResult } from './round-result.ts';

/** What a session says to whoever looks at it. */
export interface DevReport {
  /** It watches now. */
  watching(folders: number): void;
  /** A build that takes long says what it does. */
  building(progress: Progress): void;
  swapping(event: SwapEvent): void;
  /** The new component is healthy; `ended` follows. */
  healthy(round: RoundResult): void;
  ended(round: RoundResult): void;
  /** Resolves when there is room for the next. */
  log(line: LogLine): Promise<void>;
  note(text: string): void;
  /** The last words of a session. */
  end(text: string): void;
}

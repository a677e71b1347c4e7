import type { SwapStage } from '../shared/api/types.ts';
import type { Digest } from '../shared/oci/types.ts';

/**
 * `running`: the new image is in force. `unchanged`: it is what runs already, or nothing that changed is in it. `not-built`:
 * the device was not touched. `not-swapped`: the swap did not begin, or changed nothing. `rolled-back`: what ran before runs
 * again. `lost`: the device could not be reached, or its answer did not come.
 */
export type RoundOutcome = 'running' | 'unchanged' | 'not-built' | 'not-swapped' | 'rolled-back' | 'lost';

/** What became of one round. Milliseconds by this machine's clock. */
export interface RoundResult {
  /** What was saved, relative to the folder, each once. */
  changes: string[];
  outcome: RoundOutcome;
  buildMs: number;
  /** Of the image that was built. */
  digest?: Digest;
  /** Bytes of layers that were sent. */
  sentBytes?: number;
  /** How long each part of the swap took: `send` is the host's, the others are stages of the device. */
  stages?: StageTime[];
  /** From the first save to a healthy new component; absent when it never was. */
  healthyMs?: number;
  /** From the first save to the end of the round. */
  totalMs: number;
  /** The revision in force afterwards. */
  revision?: number;
  /** Why, when it is not `running`. */
  message?: string;
  /** What the new one had written until it was given up, if nobody follows the log. */
  lastLines?: string[];
}

export interface StageTime {
  /** `prepare`: the device makes the new container while the old one runs; part of its `stage`. */
  stage: SwapStage | 'send' | 'prepare';
  ms: number;
}

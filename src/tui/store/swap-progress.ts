import type { SwapEvent, SwapStage } from '../../shared/api/types.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';

export interface StageProgress {
  stage: SwapStage;
  state: 'active' | 'done' | 'failed';
  message: string;
  /** Host clock, milliseconds. */
  startedAt: number;
  endedAt?: number;
  bytes?: NonNullable<SwapEvent['progress']>;
}

/** What a person sees of a swap or a rollback: a fold over its events. */
export interface SwapProgress {
  stages: StageProgress[];
  /** The device has taken the order: from then on it goes on by itself. */
  ordered?: true;
  outcome?: SwapOutcome;
}

/** `lost`: the stream broke; the device goes on by itself and we do not know how it ended. */
export interface SwapOutcome {
  kind: 'done' | 'rolled-back' | 'failed' | 'lost';
  message: string;
  revision?: number;
  downtimeMs?: number;
}

export const noProgress: SwapProgress = { stages: [] };
const planned: SwapStage[] = ['stage', 'stop', 'start', 'probe', 'stable', 'commit'];

/** `event` came at `now` (host clock, milliseconds). Events after the end change nothing. */
export function applySwapEvent(progress: SwapProgress, event: SwapEvent, now: number): SwapProgress {
  if (progress.outcome) return progress;
  const message = sanitizeLine(event.message, { color: false });
  const ordered = progress.ordered || !event.sending ? { ordered: true as const } : {};
  if (event.stage === 'done' || event.stage === 'failed') return finish(progress, event, message, now);
  const last = progress.stages.at(-1);
  const bytes = event.progress ? { bytes: event.progress } : {};
  if (last?.stage === event.stage && last.state === 'active') {
    return { ...ordered, stages: [...progress.stages.slice(0, -1), { ...last, message, ...bytes }] };
  }
  const ended = end(progress.stages, event.stage === 'rollback' ? 'failed' : 'done', now);
  return { ...ordered, stages: [...ended, { stage: event.stage, state: 'active', message, startedAt: now, ...bytes }] };
}

/** The stream ended without `done` or `failed`. */
export function loseSwap(progress: SwapProgress, reason: string, now: number): SwapProgress {
  if (progress.outcome) return progress;
  const message = sanitizeLine(reason, { color: false });
  return {
    stages: end(progress.stages, 'failed', now),
    outcome: { kind: progress.ordered ? 'lost' : 'failed', message },
  };
}

/** The stages that a swap goes through and that have not come yet. */
export function stagesToCome(progress: SwapProgress): SwapStage[] {
  if (progress.outcome || progress.stages.some((stage) => stage.stage === 'rollback')) return [];
  const furthest = Math.max(-1, ...progress.stages.map((stage) => planned.indexOf(stage.stage)));
  return planned.slice(furthest + 1);
}

function finish(progress: SwapProgress, event: SwapEvent, message: string, now: number): SwapProgress {
  const rolledBack = progress.stages.find((stage) => stage.stage === 'rollback');
  const kind = event.stage === 'done' ? 'done' : rolledBack ? 'rolled-back' : 'failed';
  const outcome: SwapOutcome = { kind, message };
  if (event.revision !== undefined) outcome.revision = event.revision;
  if (event.downtimeMs !== undefined) outcome.downtimeMs = event.downtimeMs;
  return { stages: end(progress.stages, kind === 'failed' ? 'failed' : 'done', now), outcome };
}

function end(stages: StageProgress[], state: 'done' | 'failed', now: number): StageProgress[] {
  return stages.map((stage) => (stage.state === 'active' ? { ...stage, state, endedAt: now } : stage));
}

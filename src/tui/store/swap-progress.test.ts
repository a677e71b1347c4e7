import { describe, expect, it } from 'vitest';
import type { SwapEvent, SwapStage } from '../../shared/api/types.ts';
import { applySwapEvent, loseSwap, noProgress, type SwapProgress, stagesToCome } from './swap-progress.ts';

const at = '2026-11-22T00:00:00Z';
function fold(...events: (SwapStage | Partial<SwapEvent>)[]): SwapProgress {
  return events.reduce<SwapProgress>((progress, event, index) => {
    const change = typeof event === 'string' ? { stage: event } : event;
    return applySwapEvent(progress, { stage: 'stage', component: 'web', at, message: '', ...change }, index * 100);
  }, noProgress);
}
const summary = (progress: SwapProgress) => progress.stages.map((stage) => `${stage.stage} ${stage.state}`);

describe('swap progress', () => {
  it('goes through its stages to done', () => {
    const progress = fold(
      { progress: { done: 1, total: 9 } },
      { progress: { done: 9, total: 9 }, message: 'sent' },
      'stop',
      'start',
      'probe',
      'commit',
      { stage: 'done', revision: 2, downtimeMs: 840, message: 'web:2 runs' },
    );
    expect(summary(progress)).toEqual(['stage done', 'stop done', 'start done', 'probe done', 'commit done']);
    expect(progress.stages[0]).toMatchObject({
      bytes: { done: 9, total: 9 },
      message: 'sent',
      startedAt: 0,
      endedAt: 200,
    });
    expect(progress.outcome).toEqual({ kind: 'done', message: 'web:2 runs', revision: 2, downtimeMs: 840 });
  });

  it('marks the stage that failed when the device rolls back', () => {
    const progress = fold(
      'stage',
      'stop',
      'start',
      'probe',
      { stage: 'rollback', message: 'unhealthy' },
      { stage: 'failed', message: 'not healthy in 30 s' },
    );
    expect(summary(progress)).toEqual(['stage done', 'stop done', 'start done', 'probe failed', 'rollback done']);
    expect(progress.outcome).toEqual({ kind: 'rolled-back', message: 'not healthy in 30 s' });
  });

  it('fails without a rollback when nothing was stopped', () => {
    const progress = fold('stage', { stage: 'failed', message: 'digest does not match' });
    expect(summary(progress)).toEqual(['stage failed']);
    expect(progress.outcome?.kind).toBe('failed');
  });

  it('knows that it does not know', () => {
    expect(loseSwap(fold('stage', 'stop'), 'connection lost', 500).outcome).toEqual({
      kind: 'lost',
      message: 'connection lost',
    });
    expect(loseSwap(fold({ sending: true }), 'no such image', 500).outcome?.kind).toBe('failed');
    // The first stage is also the device's: it makes the new container in it.
    expect(loseSwap(fold({ sending: true }, 'stage'), 'connection lost', 500).outcome?.kind).toBe('lost');
    const ended = fold('stop', 'done');
    expect(loseSwap(ended, 'later', 500)).toBe(ended);
  });

  it('shows what is to come', () => {
    expect(stagesToCome(noProgress)).toEqual(['stage', 'stop', 'start', 'probe', 'stable', 'commit']);
    expect(stagesToCome(fold('stage', 'stop', 'start'))).toEqual(['probe', 'stable', 'commit']);
    expect(stagesToCome(fold('stop', 'rollback'))).toEqual([]);
  });

  it('sanitises what the device says', () => {
    expect(fold({ message: 'a\x1b]52;c;eA==\x07b' }).stages[0]?.message).toBe('ab');
  });
});

import { expect, it } from 'vitest';
import type { SwapEvent, SwapStage } from '../shared/api/types.ts';
import { SwapTimeline } from './swap-timeline.ts';

const event = (stage: SwapStage, more: Partial<SwapEvent> = {}): SwapEvent => ({
  stage,
  component: 'web',
  at: '2030-01-01T00:00:00.000Z',
  message: stage,
  ...more,
});

function play(events: [at: number, event: SwapEvent][]): { timeline: SwapTimeline; healthy: SwapStage[] } {
  const timeline = new SwapTimeline(0);
  const healthy = events.filter(([at, one]) => timeline.add(one, at)).map(([, { stage }]) => stage);
  return { timeline, healthy };
}

it('counts what is sent, and how long each stage takes', () => {
  const { timeline, healthy } = play([
    [10, event('stage', { sending: true, progress: { done: 0, total: 700 } })],
    [20, event('stage', { sending: true, progress: { done: 700, total: 700 } })],
    [30, event('stage')],
    [50, event('stage')],
    [100, event('stop')],
    [110, event('start')],
    [150, event('probe')],
    [250, event('stable')],
    [1250, event('commit')],
    [1260, event('done', { revision: 7 })],
  ]);
  expect(timeline.stages).toEqual([
    { stage: 'send', ms: 30 },
    { stage: 'stage', ms: 20 },
    { stage: 'prepare', ms: 50 },
    { stage: 'stop', ms: 10 },
    { stage: 'start', ms: 40 },
    { stage: 'probe', ms: 100 },
    { stage: 'stable', ms: 1000 },
    { stage: 'commit', ms: 10 },
  ]);
  expect([timeline.sentBytes, timeline.healthyAt, timeline.touched, timeline.rolledBack]).toEqual([
    700,
    250,
    true,
    false,
  ]);
  expect(healthy).toEqual(['stable']);
});

it('knows when the device had nothing to do', () => {
  const { timeline, healthy } = play([
    [10, event('stage', { sending: true, progress: { done: 0, total: 0 } })],
    [20, event('done')],
  ]);
  expect([timeline.touched, timeline.healthyAt, healthy]).toEqual([false, undefined, []]);
});

it('takes the end for health where nothing is watched', () => {
  const { healthy } = play([
    [10, event('stage')],
    [20, event('commit')],
    [30, event('done')],
  ]);
  expect(healthy).toEqual(['done']);
});

it('adds up a stage that comes back, and notes what lies between the start and going back', () => {
  const { timeline, healthy } = play([
    [10, event('start', { at: '2030-01-01T00:00:01.000Z' })],
    [20, event('rollback', { at: '2030-01-01T00:00:03.000Z' })],
    [30, event('start', { at: '2030-01-01T00:00:04.000Z' })],
    [35, event('failed')],
  ]);
  expect(timeline.stages.find(({ stage }) => stage === 'start')).toEqual({ stage: 'start', ms: 15 });
  expect([timeline.rolledBack, healthy, timeline.healthyAt]).toEqual([true, [], undefined]);
  const { from = 0, to = 0 } = timeline.trial;
  expect(to - from).toBe(2000);
});

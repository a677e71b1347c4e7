import { expect, test } from 'vitest';
import { Liveness } from './liveness.ts';

/** A clock on which a process may sleep longer than it wanted. */
function start() {
  let now = 0;
  let pending: { at: number; action: () => void } | undefined;
  const silences: number[] = [];
  const liveness = new Liveness({
    clock: {
      now: () => now,
      after: (ms, action) => {
        pending = { at: now + ms, action };
        return () => {
          pending = undefined;
        };
      },
    },
    role: 'device',
    silenceMs: 2700,
    lastSentAt: () => 0,
    ping: () => undefined,
    isUrgent: () => false,
    onSilence: () => silences.push(now),
  });
  liveness.start();
  /** Lets time go on to `until`; timers that were due before fire only then. */
  const sleepUntil = (until: number) => {
    now = until;
    const due = pending;
    pending = undefined;
    due?.action();
  };
  const runUntil = (until: number) => {
    while (pending && pending.at <= until) sleepUntil(pending.at);
    now = until;
  };
  return { liveness, silences, sleepUntil, runUntil };
}

test('silence is noticed', () => {
  const { silences, runUntil } = start();
  runUntil(2700);
  expect(silences).toEqual([]);
  runUntil(3100);
  expect(silences).toHaveLength(1);
});

test('a pause of the own process is not the silence of the other side', () => {
  const { liveness, silences, sleepUntil, runUntil } = start();
  runUntil(1000);
  sleepUntil(9000);
  expect(silences).toEqual([]);
  // What had come meanwhile is read next.
  liveness.heard();
  runUntil(11_500);
  expect(silences).toEqual([]);
  runUntil(13_000);
  expect(silences).toHaveLength(1);
});

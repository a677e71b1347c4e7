import { expect, test } from 'vitest';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { Judge, type Watched, type WatchedComponent } from './watchdog.ts';

const minute = 60_000;

/** A critical service; `more` says how it is. */
function component(more: Partial<WatchedComponent> = {}, config: ComponentConfig = {}): WatchedComponent {
  return {
    name: 'web',
    kind: 'service',
    spec: { kind: 'service', image: { ref: 'web:1', digest: 'sha256:0' }, order: 0, config },
    config: { critical: true, ...config },
    state: { phase: 'running', wish: 'run', restarts: 0 },
    running: true,
    health: 'none',
    uptimeMs: 0,
    reason: undefined,
    componentState: 'running',
    ...more,
  };
}

const failing = { phase: 'exited', wish: 'run', restarts: 3, failures: 3 } as const;
const down = component({ running: false, state: failing, componentState: 'failed', reason: 'exit code 1' });

/** What is said after so many milliseconds in each of which the device was like this. */
function after(ms: number, watched: Partial<Watched> & { is: WatchedComponent }): string | undefined {
  const judge = new Judge();
  const all: Watched = {
    components: () => [watched.is],
    haltedAt: undefined,
    isShuttingDown: false,
    sinceCheckMs: 0,
    ...watched,
  };
  let reason: string | undefined;
  for (let now = 0; now <= ms; now += 5000) reason = judge.reasonAgainst(all, now);
  return reason;
}

test('a critical component that stays down is a reason, after some patience', () => {
  expect(after(minute, { is: down })).toBeUndefined();
  expect(after(1.5 * minute, { is: down })).toMatch(/web has not been well for \d+ s \(exit code 1\)/);
  expect(after(1.5 * minute, { is: component({ health: 'unhealthy' }) })).toContain('(unhealthy)');
});

test('so is one that fails again and again, however short the pauses', () => {
  expect(after(1.5 * minute, { is: component({ state: failing, health: 'starting' }) })).toBeDefined();
  expect(after(1.5 * minute, { is: component({ state: failing, uptimeMs: 500 }) })).toBeDefined();
  expect(after(1.5 * minute, { is: component({ state: failing, uptimeMs: 20_000 }) })).toBeUndefined();
});

test('what is well, not critical, or down because a person wants it is none', () => {
  const hour = 60 * minute;
  expect(after(hour, { is: component() })).toBeUndefined();
  expect(after(hour, { is: component({ health: 'starting' }) })).toBeUndefined();
  expect(after(hour, { is: component({ health: 'healthy', state: failing }) })).toBeUndefined();
  expect(after(hour, { is: { ...down, config: {} } })).toBeUndefined();
  expect(after(hour, { is: { ...down, state: { ...failing, wish: 'stop' } } })).toBeUndefined();
  expect(after(hour, { is: down, haltedAt: 'mkfs' })).toBeUndefined();
  expect(after(hour, { is: down, isShuttingDown: true })).toBeUndefined();
});

test('one that takes long to stop, or waits for its first start, gets longer', () => {
  const slow = { ...down, config: { critical: true, stop_grace_period: '5m' } };
  expect(after(4 * minute, { is: slow })).toBeUndefined();
  const waiting = { ...down, state: { phase: 'created', wish: 'run', restarts: 0 } } as const;
  expect([after(4 * minute, { is: waiting }), after(6 * minute, { is: waiting })]).toEqual([
    undefined,
    expect.stringContaining('web'),
  ]);
});

test('being well once makes it start from nothing again', () => {
  const judge = new Judge();
  let is = down;
  const watched = { components: () => [is], haltedAt: undefined, isShuttingDown: false, sinceCheckMs: 0 };
  const reasons = [0, 60_000, 65_000, 120_000, 140_000].map((now) => {
    is = now === 65_000 ? component() : down;
    return judge.reasonAgainst(watched, now);
  });
  expect(reasons).toEqual([undefined, undefined, undefined, undefined, undefined]);
});

test('a supervisor that does not look at its containers any more is a reason by itself', () => {
  expect(after(0, { is: component(), sinceCheckMs: 61_000 })).toContain('for 61 s');
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  beginRounds,
  isDropped,
  maxDropped,
  nextRound,
  patienceMs,
  quietMs,
  type RoundCommand,
  type RoundEvent,
  type Rounds,
} from './rounds.ts';

/** Carries the commands out in a time of its own, and notes what was built and swapped. */
class World {
  now = 0;
  rounds: Rounds = beginRounds('first', 0);
  wakeAt: number | undefined;
  readonly builds: { changes: string[]; since: number; at: number; dropped: boolean; ok?: boolean }[] = [];
  readonly swaps: { build: number; at: number }[] = [];

  constructor() {
    this.on({ type: 'woken', at: 0 });
  }

  on(event: RoundEvent): void {
    const before = this.rounds;
    const [after, command] = nextRound(before, event);
    this.rounds = after;
    const newest = this.builds.at(-1);
    if (event.type === 'built' && newest) Object.assign(newest, { ok: event.ok, dropped: isDropped(before, after) });
    if (command) this.do(command, before.doing, event);
  }

  do(command: RoundCommand, doing: Rounds['doing'], event: RoundEvent): void {
    this.wakeAt = undefined;
    if (command.do === 'wait') {
      // Time is not wasted, and not waited for in vain.
      expect(command.until).toBeGreaterThan(this.now);
      this.wakeAt = command.until;
    } else if (command.do === 'build') {
      expect(doing === 'nothing' || event.type !== 'changed').toBe(true);
      expect(this.rounds.doing).toBe('building');
      this.builds.push({ changes: command.changes, since: command.since, at: this.now, dropped: false });
    } else {
      expect([doing, event.type]).toEqual(['building', 'built']);
      expect(event).toHaveProperty('ok', true);
      this.swaps.push({ build: this.builds.length - 1, at: this.now });
    }
  }

  change(path: string): void {
    this.on({ type: 'changed', path, at: this.now });
  }

  pass(ms: number): void {
    const end = this.now + ms;
    while (this.wakeAt !== undefined && this.wakeAt <= end) {
      this.now = this.wakeAt;
      this.wakeAt = undefined;
      this.on({ type: 'woken', at: this.now });
    }
    this.now = end;
  }

  finish({ ok = true, lost = false } = {}): void {
    if (this.rounds.doing === 'building') this.on({ type: 'built', ok, at: this.now });
    else if (this.rounds.doing === 'swapping') this.on({ type: 'swapped', lost, at: this.now });
  }

  again(): void {
    this.on({ type: 'again', at: this.now });
  }

  /** Lets everything end that is to be done. */
  settle(): void {
    for (let turn = 0; turn < 20; turn++) {
      this.again();
      this.pass(patienceMs);
      this.finish();
    }
    expect([this.rounds.doing, this.rounds.changes.size, this.wakeAt]).toEqual(['nothing', 0, undefined]);
  }
}

/** A world in which the first build and its swap have ended. */
function running(): World {
  const world = new World();
  world.settle();
  expect([world.builds.length, world.swaps.length]).toEqual([1, 1]);
  return world;
}

describe('rounds', () => {
  it('builds and swaps at the beginning, before anything is saved', () => {
    expect(running().builds[0]?.changes).toEqual(['first']);
  });

  it('make one round of a burst of saves, once it is quiet', () => {
    const world = running();
    for (const path of ['a', 'b', 'a', 'c']) {
      world.change(path);
      world.pass(quietMs - 1);
    }
    expect(world.builds).toHaveLength(1);
    world.pass(1);
    expect(world.builds.slice(1).map(({ changes }) => changes)).toEqual([['a', 'b', 'c']]);
  });

  it('do not wait for ever for quiet', () => {
    const world = running();
    const began = world.now;
    while (world.builds.length === 1 && world.now < began + 10 * patienceMs) {
      world.change('log');
      world.pass(quietMs / 2);
    }
    expect(world.builds[1]?.at).toBe(began + patienceMs);
  });

  it('make exactly one more round of all that changes while one is being swapped', () => {
    const world = running();
    world.change('a');
    world.pass(patienceMs);
    world.finish();
    for (const path of ['b', 'c', 'b']) {
      world.change(path);
      world.pass(2 * patienceMs);
    }
    expect(world.rounds.doing).toBe('swapping');
    world.settle();
    expect(world.builds.slice(2).map(({ changes }) => changes)).toEqual([['b', 'c']]);
    expect(world.swaps).toHaveLength(3);
  });

  it('build again what changed while it was built, and count the time from the first save', () => {
    const world = running();
    const saved = world.now;
    world.change('a');
    world.pass(patienceMs);
    world.change('b');
    world.finish();
    world.settle();
    expect(world.builds.slice(1)).toMatchObject([
      { changes: ['a'], since: saved, dropped: true },
      { changes: ['a', 'b'], since: saved, dropped: false },
    ]);
    expect(world.swaps).toHaveLength(2);
  });

  it('come to a swap although something changes during each build', () => {
    const world = running();
    world.change('a');
    for (let build = 0; build <= maxDropped; build++) {
      world.pass(patienceMs);
      world.change('a');
      world.finish();
    }
    expect(world.rounds.doing).toBe('swapping');
    expect(world.builds.filter(({ dropped }) => dropped)).toHaveLength(maxDropped);
  });

  it('wait for a device that is lost, and then try the same once more', () => {
    const world = running();
    world.change('a');
    world.pass(patienceMs);
    world.finish();
    world.finish({ lost: true });
    world.change('b');
    world.pass(10 * patienceMs);
    expect(world.builds).toHaveLength(2);
    world.again();
    expect(world.builds[2]?.changes).toEqual(['a', 'b']);
    world.settle();
    expect(world.builds).toHaveLength(3);
  });

  it('go on after what does not build', () => {
    const world = running();
    world.change('a');
    world.pass(patienceMs);
    world.finish({ ok: false });
    expect([world.rounds.doing, world.swaps.length]).toEqual(['nothing', 1]);
    world.change('b');
    world.settle();
    expect([world.builds.length, world.swaps.length]).toEqual([3, 2]);
  });

  it('lose no change and do no more than one thing at a time, in whatever order everything happens', () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant('change' as const), path: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 2 * patienceMs }) }),
      fc.record({ do: fc.constant('finish' as const), ok: fc.boolean(), lost: fc.boolean() }),
      fc.record({ do: fc.constant('again' as const) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const world = new World();
        const changed = new Map<string, number>();
        for (const step of actions) {
          if (step.do === 'change') {
            world.change(step.path);
            changed.set(step.path, world.now);
          } else if (step.do === 'pass') world.pass(step.ms);
          else if (step.do === 'finish') world.finish(step);
          else world.again();
        }
        world.settle();
        for (const [path, at] of changed) {
          // Built since, and that build counted: what it gave was swapped in, or it was an error that was shown.
          const last = world.builds.findLast(({ changes, dropped }) => changes.includes(path) && !dropped);
          expect(last?.at).toBeGreaterThanOrEqual(at);
          expect(last?.since).toBeLessThanOrEqual(at);
        }
        const good = world.builds.flatMap(({ ok, dropped }, index) => (ok && !dropped ? [index] : []));
        expect(world.swaps.map(({ build }) => build)).toEqual(good);
      }),
    );
  });
});

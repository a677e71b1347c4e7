import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Observed, type ObservedComponent, plan, type Side, type Step } from './planner.ts';

const web: ObservedComponent = { name: 'web', live: true, ranBefore: true, up: 'old', proven: true };
const words = (steps: Step[]) =>
  steps.map((step) => ('component' in step ? `${step.action} ${step.component}` : step.action));
const planned = (observed: Partial<Observed>, goal: Side) =>
  words(plan({ staged: true, committed: false, components: [web], ...observed }, goal));

describe('plan', () => {
  it('goes from the old revision to the new one', () => {
    expect(planned({ staged: false }, 'new')).toEqual(['stage', 'stop web', 'start web', 'probe web', 'commit']);
    expect(planned({ components: [{ ...web, up: 'nothing', proven: false }] }, 'new')).toEqual([
      'start web',
      'probe web',
      'commit',
    ]);
    expect(planned({ components: [{ ...web, up: 'new', proven: false }] }, 'new')).toEqual(['probe web', 'commit']);
    expect(planned({ components: [{ ...web, up: 'new' }] }, 'new')).toEqual(['commit']);
    expect(planned({ components: [{ ...web, up: 'new' }], committed: true }, 'new')).toEqual([]);
  });

  it('stops all before anything starts, in the opposite order', () => {
    const sshd = { ...web, name: 'sshd' };
    expect(planned({ components: [sshd, web] }, 'new')).toEqual([
      'stop web', 'stop sshd', 'start sshd', 'probe sshd', 'start web', 'probe web', 'commit',
    ]); // biome-ignore format: one line is one order
  });

  it('leaves what runs only at boot alone', () => {
    expect(planned({ components: [{ ...web, live: false, up: 'nothing' }] }, 'new')).toEqual(['commit']);
    expect(planned({ components: [{ ...web, live: false, up: 'nothing' }] }, 'old')).toEqual([]);
  });

  it('goes back only where something was touched', () => {
    expect(planned({}, 'old')).toEqual([]);
    expect(planned({ components: [{ ...web, up: 'new', proven: false }] }, 'old')).toEqual([
      'stop web',
      'start web',
      'probe web',
    ]);
    expect(planned({ components: [{ ...web, up: 'other', proven: false }] }, 'old')).toEqual([
      'stop web',
      'start web',
      'probe web',
    ]);
    const stopped = { ...web, ranBefore: false, up: 'new' as const };
    expect(planned({ components: [stopped] }, 'old')).toEqual(['stop web']);
  });

  it('reaches its goal from every situation, and never runs two sides of a component', () => {
    const component = fc.record({
      live: fc.boolean(),
      ranBefore: fc.boolean(),
      up: fc.constantFrom('old' as const, 'new' as const, 'other' as const, 'nothing' as const),
      proven: fc.boolean(),
    });
    const components = fc
      .array(component, { maxLength: 4 })
      .map((list) => list.map((entry, index) => ({ name: `c${index}`, ...entry })));
    const situation = fc.record({ staged: fc.boolean(), committed: fc.boolean(), components });
    fc.assert(
      fc.property(situation, fc.constantFrom<Side>('old', 'new'), (start, goal) => {
        const now: Observed = structuredClone(start);
        for (let steps = 0; ; steps++) {
          const [step] = plan(now, goal);
          if (!step) break;
          expect(steps).toBeLessThan(3 * now.components.length + 2);
          const target = now.components.find((entry) => 'component' in step && entry.name === step.component);
          if (step.action === 'stage') now.staged = true;
          else if (step.action === 'commit') now.committed = true;
          else if (!target?.live) throw new Error(`${step.action} of something that is not live`);
          else if (step.action === 'stop') target.up = 'nothing';
          else if (step.action === 'probe') target.proven = true;
          else {
            expect(target.up).toBe('nothing');
            Object.assign(target, { up: step.side, proven: false });
          }
        }
        for (const entry of now.components.filter(({ live }) => live)) {
          expect(entry.up).toBe(goal === 'old' && !entry.ranBefore && entry.up !== 'old' ? 'nothing' : goal);
        }
        if (goal === 'new') expect([now.staged, now.committed]).toEqual([true, true]);
        else expect([now.staged, now.committed]).toEqual([start.staged, start.committed]);
      }),
    );
  });
});

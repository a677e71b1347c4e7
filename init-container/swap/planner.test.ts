import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeStep, type Observed, type ObservedComponent, plan, type Side, type Step } from './planner.ts';

const web: ObservedComponent = {
  name: 'web',
  runs: 'live',
  strategy: 'stop-start',
  ranBefore: true,
  wasWell: true,
  up: 'old',
  proven: false,
  copies: false,
  prepared: true,
};
const words = (steps: Step[]) =>
  steps.map((step) => ('component' in step ? `${step.action} ${step.component}` : step.action)).join(', ');
const planned = (observed: Partial<Observed>, goal: Side) =>
  words(
    plan({ staged: true, stable: false, committed: false, components: [web], watched: ['web'], ...observed }, goal),
  );
const one = (change: Partial<ObservedComponent>) => ({ components: [{ ...web, ...change }] });

describe('plan', () => {
  it('goes from the old revision to the new one', () => {
    expect(planned({ staged: false }, 'new')).toBe('stage, stop web, start web, probe web, stable, commit');
    expect(planned(one({ up: 'nothing' }), 'new')).toBe('start web, probe web, stable, commit');
    expect(planned(one({ up: 'new' }), 'new')).toBe('probe web, stable, commit');
    expect(planned(one({ up: 'new', proven: true }), 'new')).toBe('stable, commit');
    expect(planned({ ...one({ up: 'new', proven: true }), stable: true }, 'new')).toBe('commit');
    expect(planned({ ...one({ up: 'new', proven: true }), stable: true, committed: true }, 'new')).toBe('');
  });

  it('stops all before anything starts, in the opposite order', () => {
    const sshd = { ...web, name: 'sshd', copies: true };
    expect(planned({ components: [sshd, web] }, 'new')).toBe(
      'stop web, stop sshd, copy sshd, start sshd, probe sshd, start web, probe web, stable, commit',
    );
  });

  it('makes what it can before anything stops', () => {
    const fresh = { ...web, prepared: false };
    expect(planned({ components: [fresh, { ...fresh, name: 'sshd' }] }, 'new')).toMatch(
      /^prepare web, prepare sshd, stop sshd, stop web/,
    );
    expect(planned(one({ prepared: false, copies: true }), 'new')).toMatch(/^stop web, copy web, start web/);
    expect(planned(one({ prepared: false, strategy: 'overlap' }), 'new')).toMatch(/^start-beside web/);
  });

  it('lets the new one be healthy before the old one ends, where that is wished and possible', () => {
    const overlap = { strategy: 'overlap' } as const;
    expect(planned(one(overlap), 'new')).toBe('start-beside web, probe web, settle web, stable, commit');
    expect(planned(one({ ...overlap, up: 'both' }), 'new')).toBe('probe web, settle web, stable, commit');
    expect(planned(one({ ...overlap, up: 'both', proven: true }), 'new')).toBe('settle web, stable, commit');
    expect(planned(one({ ...overlap, up: 'nothing' }), 'new')).toBe('start web, probe web, stable, commit');
    expect(planned(one({ ...overlap, copies: true }), 'new')).toBe(
      'stop web, copy web, start web, probe web, stable, commit',
    );
    expect(planned(one({ ...overlap, up: 'both', proven: true }), 'old')).toBe('settle web');
  });

  it('leaves what runs only at boot alone', () => {
    const later = one({ runs: 'later', up: 'nothing' });
    expect(planned({ ...later, watched: [] }, 'new')).toBe('commit');
    expect(planned(later, 'old')).toBe('');
  });

  it('goes back only where something was touched', () => {
    expect(planned(one({ proven: true }), 'old')).toBe('');
    expect(planned(one({ up: 'new' }), 'old')).toBe('stop web, start web, probe web');
    expect(planned(one({ up: 'other' }), 'old')).toBe('stop web, start web, probe web');
    expect(planned(one({ up: 'new', ranBefore: false }), 'old')).toBe('stop web');
  });

  it('does not wait for the health of what was not healthy before', () => {
    expect(planned(one({ up: 'new', wasWell: false }), 'old')).toBe('stop web, start web');
  });

  it('puts all parts in place before one restart, and looks at them afterwards', () => {
    const kernel = { ...web, name: 'kernel', runs: 'part' } as const;
    const init = { ...web, name: 'init', runs: 'part' } as const;
    expect(planned({ components: [kernel, init, web] }, 'new')).toBe(
      'apply kernel, apply init, verify kernel, verify init, stop web, start web, probe web, stable, commit',
    );
    const applied = [
      { ...kernel, up: 'new', pending: 'reboot' } as const,
      { ...init, up: 'new', pending: 'restart-init' } as const,
    ];
    const observed = { staged: true, stable: false, committed: false, components: applied, watched: [] };
    expect(plan(observed, 'new')[0]).toEqual({ action: 'restart', effect: 'reboot' });
    const { pending: _, ...done } = applied[1] ?? expect.fail();
    expect(planned({ components: [done] }, 'new')).toBe('verify init, stable, commit');
    expect(planned({ components: [{ ...done, proven: true }] }, 'old')).toBe('apply init, verify init');
    expect(planned({ components: [{ ...init, proven: true }] }, 'old')).toBe('');
  });

  it('has words for every step', () => {
    const overlap = { ...web, name: 'app', strategy: 'overlap' } as const;
    const part = { ...web, name: 'init', runs: 'part', up: 'new', pending: 'restart-init' } as const;
    const all = [{ ...web, copies: true }, overlap, part, { ...web, name: 'sshd', prepared: false }];
    const steps = plan({ staged: false, stable: false, committed: false, components: all, watched: ['web'] }, 'new');
    expect(steps.map(describeStep)).toEqual([
      'check that everything is complete on the device',
      'restart the init container',
      'check that the new init works',
      'make the container of the new sshd',
      'start the new app beside the old',
      'wait until app is healthy',
      'stop the old app',
      'stop sshd',
      'stop web',
      'copy the data of web that belong to its revision',
      'start web',
      'wait until web is healthy',
      'start sshd',
      'wait until sshd is healthy',
      'see that web stays healthy',
      'put the new revision in force',
    ]);
  });

  it('reaches its goal from every situation, and never stops the old one of an overlap before the new one is proven', () => {
    const component = fc.record({
      runs: fc.constantFrom('live' as const, 'later' as const),
      strategy: fc.constantFrom('stop-start' as const, 'overlap' as const, 'handover' as const),
      ranBefore: fc.boolean(),
      wasWell: fc.boolean(),
      up: fc.constantFrom('old' as const, 'new' as const, 'other' as const, 'both' as const, 'nothing' as const),
      provenOld: fc.boolean(),
      provenNew: fc.boolean(),
      copies: fc.boolean(),
      prepared: fc.boolean(),
    });
    const part = component.map(({ up, ...rest }) => ({
      ...rest,
      runs: 'part' as const,
      up: up === 'new' || up === 'other' ? up : ('old' as const),
      effect: 'reboot' as const,
      pending: up === 'new' ? ('reboot' as const) : undefined,
    }));
    const components = fc.array(fc.oneof(component, part), { maxLength: 4 }).map((list) =>
      list.map((entry, index) => ({
        name: `c${index}`,
        ...entry,
        pending: 'pending' in entry ? entry.pending : undefined,
      })),
    );
    const situation = fc.record({
      staged: fc.boolean(),
      stable: fc.boolean(),
      committed: fc.boolean(),
      components,
      watched: fc.constant<string[]>(['c0']),
    });
    fc.assert(
      fc.property(situation, fc.constantFrom<Side>('old', 'new'), (start, goal) => {
        const now = structuredClone(start);
        const seen = (): Observed => ({
          ...now,
          components: now.components.map(({ provenOld, provenNew, pending, ...rest }) => ({
            ...rest,
            proven: goal === 'old' ? provenOld : provenNew,
            ...(pending ? { pending } : {}),
          })),
        });
        for (let steps = 0; ; steps++) {
          const [step] = plan(seen(), goal);
          if (!step) break;
          expect(steps).toBeLessThan(5 * now.components.length + 5);
          const target = now.components.find((entry) => 'component' in step && entry.name === step.component);
          const prove = (side: Side, value: boolean) =>
            target && Object.assign(target, side === 'old' ? { provenOld: value } : { provenNew: value });
          if (step.action === 'stage') now.staged = true;
          else if (step.action === 'stable') now.stable = true;
          else if (step.action === 'commit') now.committed = true;
          else if (step.action === 'restart') for (const entry of now.components) entry.pending = undefined;
          else if (!target || target.runs === 'later') throw new Error(`${step.action} of something that is not live`);
          else if (step.action === 'apply' || step.action === 'verify') {
            expect(target.runs).toBe('part');
            if (step.action === 'verify') expect(target.pending).toBeUndefined();
            prove(step.side, step.action === 'verify');
            if (step.action === 'apply') Object.assign(target, { up: step.side, pending: 'reboot' });
          } else if (step.action === 'stop') {
            expect(goal === 'old' || target.strategy !== 'overlap' || target.up !== 'old' || target.copies).toBe(true);
            target.up = 'nothing';
          } else if (step.action === 'copy') target.copies = false;
          else if (step.action === 'prepare') target.prepared = true;
          else if (step.action === 'probe') prove(step.side, true);
          else if (step.action === 'settle') {
            expect(target.up).toBe('both');
            if (step.keep === 'new') expect(target.provenNew).toBe(true);
            target.up = step.keep;
          } else if (step.action === 'start-beside') {
            expect(target.up).toBe('old');
            target.up = 'both';
            target.provenNew = false;
          } else if (step.action === 'start') {
            expect(target.up).toBe('nothing');
            target.up = step.side;
            prove(step.side, false);
          }
        }
        for (const entry of now.components.filter(({ runs }) => runs === 'live')) {
          expect(entry.up).toBe(goal === 'old' && !entry.ranBefore && entry.up !== 'old' ? 'nothing' : goal);
        }
        for (const entry of now.components.filter(({ runs }) => runs === 'part')) {
          expect([entry.up, entry.pending]).toEqual([goal, undefined]);
        }
        if (goal === 'new') expect([now.staged, now.stable, now.committed]).toEqual([true, true, true]);
        else expect([now.staged, now.stable, now.committed]).toEqual([start.staged, start.stable, start.committed]);
      }),
    );
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ComponentKind } from '../../src/shared/definition/revision.ts';
import { type Dependency, dependenciesOf, dependentsFirst, inCycle } from './dependencies.ts';
import { Mutex } from './mutex.ts';
import { failuresAfter, restartDelayMs, shouldRestart } from './policy.ts';

test('restart policies', () => {
  const restarts = (policy: string, exitCode: number, failures: number, kind: ComponentKind = 'service') =>
    shouldRestart({ policy, kind, exitCode, failures });
  expect(['always', 'unless-stopped'].every((policy) => restarts(policy, 0, 99))).toBe(true);
  expect(restarts('no', 1, 0)).toBe(false);
  expect([restarts('on-failure', 0, 0), restarts('on-failure', 1, 50)]).toEqual([false, true]);
  expect([restarts('on-failure:3', 1, 2), restarts('on-failure:3', 1, 3)]).toEqual([true, false]);
  // Docker's word for "no limit".
  expect([restarts('on-failure:0', 0, 0), restarts('on-failure:0', 1, 50)]).toEqual([false, true]);
  expect([restarts('always', 0, 0, 'onboot'), restarts('always', 1, 0, 'onboot')]).toEqual([false, true]);
});

test('the delay doubles up to a minute, and a good run makes it short again', () => {
  expect([0, 1, 2, 5, 6, 1000].map(restartDelayMs)).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000]);
  expect([failuresAfter(4, 9999), failuresAfter(4, 10_000)]).toEqual([4, 0]);
});

test('both forms of depends_on', () => {
  expect(dependenciesOf({ depends_on: ['a'] })).toEqual([{ name: 'a', condition: 'started' }]);
  expect(dependenciesOf({ depends_on: { a: { condition: 'healthy' } } })).toEqual([
    { name: 'a', condition: 'healthy' },
  ]);
  expect(dependenciesOf({})).toEqual([]);
});

const graphOf = (edges: Record<string, string[]>) =>
  new Map<string, Dependency[]>(
    Object.entries(edges).map(([name, on]) => [
      name,
      on.map((other) => ({ name: other, condition: 'started' as const })),
    ]),
  );

test('those who wait for each other are found; those who wait for them are not blamed', () => {
  expect([...inCycle(graphOf({ a: ['b'], b: ['c'], c: ['b'], d: ['d'], e: ['gone'] }))].sort()).toEqual([
    'b',
    'c',
    'd',
  ]);
});

test('on the way down everything stops before what it depends on, whatever the graph', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  fc.assert(
    fc.property(fc.dictionary(name, fc.uniqueArray(name)), (edges) => {
      const graph = graphOf(edges);
      const order = dependentsFirst(graph);
      expect(order.flat().sort()).toEqual([...graph.keys()].sort());
      if (inCycle(graph).size > 0) return;
      const position = (wanted: string) => order.findIndex((group) => group.includes(wanted));
      for (const [from, dependencies] of graph) {
        for (const { name: to } of dependencies) if (graph.has(to)) expect(position(from)).toBeLessThan(position(to));
      }
    }),
  );
});

test('tasks run one after the other, also after one that failed', async () => {
  const mutex = new Mutex();
  const order: string[] = [];
  const task = (name: string, fail = false) =>
    mutex.run(async () => {
      order.push(`${name} begins`);
      await Promise.resolve();
      order.push(`${name} ends`);
      if (fail) throw new Error(name);
    });
  const [first, second] = [task('a', true), task('b')];
  await expect(first).rejects.toThrow('a');
  await second;
  expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});

import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';

export type Condition = 'started' | 'healthy' | 'completed_successfully';

export interface Dependency {
  name: string;
  condition: Condition;
}

/** Both of Compose's forms as one list. */
export function dependenciesOf(config: ComponentConfig): Dependency[] {
  const wanted = config.depends_on ?? [];
  if (Array.isArray(wanted)) return wanted.map((name) => ({ name, condition: 'started' as const }));
  return Object.entries(wanted).map(([name, { condition }]) => ({ name, condition: condition ?? 'started' }));
}

/** Names that wait for each other in a circle, directly or through others. */
export function inCycle(graph: Map<string, Dependency[]>): Set<string> {
  const reaches = (from: string, goal: string, seen: Set<string>): boolean =>
    (graph.get(from) ?? []).some(({ name }) => {
      if (name === goal) return true;
      if (seen.has(name)) return false;
      seen.add(name);
      return reaches(name, goal, seen);
    });
  return new Set([...graph.keys()].filter((name) => reaches(name, name, new Set())));
}

/** Names so that each comes before those it depends on: the order in which to stop them. Circles are kept together. */
export function dependentsFirst(graph: Map<string, Dependency[]>): string[][] {
  const rank = new Map<string, number>();
  const rankOf = (name: string, path: Set<string>): number => {
    const known = rank.get(name);
    if (known !== undefined) return known;
    if (path.has(name)) return 0;
    path.add(name);
    const below = (graph.get(name) ?? []).filter((d) => graph.has(d.name)).map((d) => rankOf(d.name, path) + 1);
    path.delete(name);
    const value = Math.max(0, ...below);
    rank.set(name, value);
    return value;
  };
  const groups: string[][] = [];
  for (const name of graph.keys()) {
    const group = rankOf(name, new Set());
    groups[group] = [...(groups[group] ?? []), name];
  }
  return groups.filter((group) => group !== undefined).reverse();
}

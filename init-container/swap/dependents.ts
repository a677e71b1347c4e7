import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { dependenciesOf, inCycle } from '../supervisor/dependencies.ts';

/** All that depend on one of `names`, directly or through others, `names` themselves left out. */
export function dependentsOf(names: readonly string[], configs: ReadonlyMap<string, ComponentConfig>): string[] {
  const found = new Set(names);
  for (let size = 0; size !== found.size; ) {
    size = found.size;
    for (const [name, config] of configs) {
      if (dependenciesOf(config).some((dependency) => found.has(dependency.name))) found.add(name);
    }
  }
  return [...found].filter((name) => !names.includes(name));
}

/** Throws a sentence when a changed component waits for one that there is not, or for itself through others. */
export function checkDependencies(changed: readonly string[], configs: ReadonlyMap<string, ComponentConfig>): void {
  const graph = new Map([...configs].map(([name, config]) => [name, dependenciesOf(config)]));
  for (const name of changed) {
    const unknown = graph.get(name)?.find((dependency) => !configs.has(dependency.name));
    if (unknown) throw new Error(`${name} depends on ${unknown.name}, which is no component of the new revision`);
  }
  const circle = inCycle(graph);
  if (changed.some((name) => circle.has(name)))
    throw new Error(`these components would wait for each other: ${[...circle].toSorted().join(', ')}`);
}

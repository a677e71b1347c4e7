import type { ContainerRecord, ContainerState } from '../engine/record.ts';

/** A container of a component, as its files tell of it. */
export interface FoundInstance {
  instance: string;
  state: Pick<ContainerState, 'phase' | 'beside'> | undefined;
  record: Pick<ContainerRecord, 'createdAt'> | undefined;
}

export interface SortedInstances {
  /** What a person means by the component's name. */
  inForce: string;
  /** Came up beside it; a swap, or the revision in force, decides which of the two stays. */
  beside?: string;
  /** Of no use: only prepared, or replaced and not cleared away. */
  stale: string[];
}

/**
 * Which of the containers that an earlier process left is which. It may have ended at any point of a swap. Undefined when
 * none was found.
 */
export function sortInstances(found: readonly FoundInstance[]): SortedInstances | undefined {
  const ranked = found.toSorted((a, b) => rank(b) - rank(a) || newest(a, b));
  const [first, ...others] = ranked;
  if (!first) return undefined;
  const beside = others.find(({ state }) => state?.beside && state.phase !== 'created');
  return {
    inForce: first.instance,
    ...(beside ? { beside: beside.instance } : {}),
    stale: others.filter((other) => other !== beside).map(({ instance }) => instance),
  };
}

/** One that was in force goes before one that only stands beside, a running one before one that has ended. */
function rank({ state }: FoundInstance): number {
  if (!state) return 0;
  return (state.beside ? 1 : 4) + (state.phase === 'running' ? 2 : state.phase === 'exited' ? 1 : 0);
}

function newest(a: FoundInstance, b: FoundInstance): number {
  const [before, after] = [a.record?.createdAt ?? '', b.record?.createdAt ?? ''];
  return before < after ? 1 : before > after ? -1 : 0;
}

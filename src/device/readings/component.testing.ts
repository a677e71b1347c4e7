import type { ComponentStatus } from '../../shared/api/types.ts';

/** A system container that runs, with what a test wants otherwise. */
export function componentStatus(name: string, change: Partial<ComponentStatus> = {}): ComponentStatus {
  return {
    name,
    kind: 'service',
    image: `${name}:1`,
    digest: `sha256:${'0'.repeat(64)}`,
    state: 'running',
    health: 'none',
    restarts: 0,
    ...change,
  };
}

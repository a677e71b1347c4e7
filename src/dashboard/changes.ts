import type { ComponentRow } from '../device/readings/component-rows.ts';
import type { Tone } from './text.ts';

export interface Change {
  component: string;
  text: string;
  tone: Tone;
}

/** What happened to the components from one reading to the next, in words. */
export function describeChanges(before: readonly ComponentRow[], after: readonly ComponentRow[]): Change[] {
  const old = new Map(before.map((row) => [row.name, row]));
  const gone = before.filter(({ name }) => !after.some((row) => row.name === name));
  return [
    ...gone.map(({ name }): Change => ({ component: name, text: 'is not there any more', tone: 'warn' })),
    ...after.flatMap((row) => {
      const was = old.get(row.name);
      if (!was) return [{ component: row.name, text: `is new: ${row.state}`, tone: 'plain' as const }];
      return changesOf(was, row).map(([text, tone]) => ({ component: row.name, text, tone }));
    }),
  ];
}

function changesOf(was: ComponentRow, is: ComponentRow): [string, Tone][] {
  const changes: [string, Tone][] = [];
  if (was.image !== is.image) changes.push([`image ${was.image} → ${is.image}`, 'plain']);
  if (was.state !== is.state) {
    const code = is.state === 'exited' && is.exitCode !== undefined ? ` (${is.exitCode})` : '';
    const why = is.detail === undefined ? '' : `: ${is.detail}`;
    changes.push([`${was.state} → ${is.state}${code}${why}`, stateTone(is)]);
  }
  if (is.restarts > was.restarts) changes.push([`restarted, ${times(is.restarts)} since boot`, 'warn']);
  else if (was.state === is.state && is.startedAt !== undefined && was.startedAt !== is.startedAt) {
    changes.push(['started anew', 'plain']);
  }
  if (was.health !== is.health) changes.push([`health ${was.health} → ${is.health}`, healthTone(is)]);
  return changes;
}

export function stateTone({ state, exitCode }: Pick<ComponentRow, 'state' | 'exitCode'>): Tone {
  if (state === 'running') return 'good';
  if (state === 'failed' || (state === 'exited' && exitCode !== undefined && exitCode !== 0)) return 'bad';
  return state === 'exited' || state === 'created' ? 'plain' : 'warn';
}

export function healthTone({ health }: Pick<ComponentRow, 'health'>): Tone {
  if (health === 'healthy') return 'good';
  if (health === 'unhealthy') return 'bad';
  return health === 'starting' ? 'warn' : 'dim';
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

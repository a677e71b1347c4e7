import type { EventEmitter } from 'node:events';
import { logPath } from '../engine/paths.ts';
import { lastLines } from '../logs/tail.ts';
import type { Component } from './component.ts';

/** How long a service without a health check must stay up to count as healthy. */
const settleMs = 3000;

/** See `Supervisor.waitHealthy`. */
export async function waitUntilHealthy(
  component: Component,
  changes: EventEmitter<{ changed: [string] }>,
  signal: AbortSignal,
): Promise<void> {
  const verdict = await new Promise<string | undefined>((resolve) => {
    const finish = (failure?: string) => {
      changes.off('changed', check);
      signal.removeEventListener('abort', expired);
      clearTimeout(settled);
      resolve(failure);
    };
    let settled: NodeJS.Timeout | undefined;
    const check = () => {
      if (component.running && component.kind === 'service' && component.health === 'none') {
        settled ??= setTimeout(() => finish(component.running ? undefined : 'it ended'), settleMs);
      }
      const result = judge(component);
      if (result === 'healthy') finish();
      else if (result !== undefined) finish(result.failure);
    };
    const expired = () => finish(`not healthy in time${lastProbe(component)}`);
    changes.on('changed', check);
    signal.addEventListener('abort', expired);
    if (signal.aborted) expired();
    else check();
  });
  if (verdict === undefined) return;
  const lines = await lastLines(logPath(component.name), 3, component.state.startedAt);
  throw new Error(`${component.name}: ${verdict}${lines.length > 0 ? `; its last words: ${lines.join(' | ')}` : ''}`);
}

function judge(component: Component): 'healthy' | { failure: string } | undefined {
  const { state, health } = component;
  if (!component.running && component.activity !== 'starting') {
    if (state.error !== undefined) return { failure: state.error };
    if (component.kind !== 'service' && state.exitCode === 0) return 'healthy';
    if (state.phase === 'created') return undefined;
    return { failure: `it ended with exit code ${state.exitCode}${state.oomKilled ? ' (out of memory)' : ''}` };
  }
  if (health === 'healthy') return 'healthy';
  if (health === 'unhealthy') return { failure: `unhealthy${lastProbe(component)}` };
  return undefined;
}

function lastProbe(component: Component): string {
  const last = component.monitor?.log.at(-1);
  if (!last) return '';
  return `: the last probe ${last.exitCode === -1 ? 'did not end' : `gave ${last.exitCode}`}${last.output ? ` (${last.output})` : ''}`;
}

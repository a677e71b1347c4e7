import { isContainer } from '../../device/readings/component-rows.ts';
import { type AppState, selectedComponent } from '../store/state.ts';

/** Reasons why an action cannot be done now, for people. */
export function needsConnection(state: AppState): string | undefined {
  return state.connection.state === 'connected' ? undefined : 'not connected to the device';
}

export function needsSelection(state: AppState): string | undefined {
  return needsConnection(state) ?? (selectedComponent(state) ? undefined : 'no component is selected');
}

/** Everything that runs has a log; the files of the root image do not run. */
export function needsLog(state: AppState): string | undefined {
  const row = selectedComponent(state);
  return needsSelection(state) ?? (row?.kind === 'base' ? `${row.name} is files of the root image: no log` : undefined);
}

/** A system container that nothing is being done to. */
export function needsContainer(state: AppState): string | undefined {
  const missing = needsSelection(state);
  const row = selectedComponent(state);
  if (missing !== undefined || !row) return missing;
  if (!isContainer(row)) return `${row.name} is no system container`;
  const busy = state.busy[row.name];
  return busy === undefined ? undefined : `${row.name} is ${busy}`;
}

export function needsRunning(state: AppState): string | undefined {
  const missing = needsContainer(state);
  const row = selectedComponent(state);
  if (missing !== undefined || !row) return missing;
  return row.state === 'running' ? undefined : `${row.name} is not running (${row.state})`;
}

export function needsStopped(state: AppState): string | undefined {
  const missing = needsContainer(state);
  const row = selectedComponent(state);
  if (missing !== undefined || !row) return missing;
  return row.state === 'running' || row.state === 'starting' ? `${row.name} is already ${row.state}` : undefined;
}

/** Nothing is being swapped or rolled back. */
export function needsIdle(state: AppState): string | undefined {
  const missing = needsConnection(state);
  if (missing !== undefined) return missing;
  return state.running && !state.running.progress.outcome ? `${state.running.title} is still under way` : undefined;
}

import type { ConnectionState, Device, DeviceEvent } from '../device/device.ts';
import { type ComponentRow, mergeComponents } from '../device/readings/component-rows.ts';
import type { ComponentStatus, DeviceInfo } from '../shared/api/types.ts';
import { type Change, describeChanges } from './changes.ts';
import { addSample, type Sample } from './history.ts';

const mostLogged = 200;

export interface LogEntry extends Change {
  /** Host clock, milliseconds: a device may not know the time of day. */
  at: number;
}

/** Everything the dashboard shows. */
export interface DashboardState {
  deviceName: string;
  connection: ConnectionState;
  info?: DeviceInfo;
  /** When `info` came. */
  infoAt: number;
  rows: ComponentRow[];
  samples: Sample[];
  log: LogEntry[];
  /** Why the last reading failed. */
  error?: string;
  now: number;
}

export function initialState(device: Pick<Device, 'name' | 'connection'>, now: number): DashboardState {
  return {
    ...{ deviceName: device.name, connection: device.connection.current, infoAt: now, now },
    ...{ rows: [], samples: [], log: [] },
  };
}

export function withReading(state: DashboardState, reading: readonly ComponentStatus[], now: number): DashboardState {
  const rows = mergeComponents(state.rows, reading);
  const changes = state.rows.length === 0 ? [] : describeChanges(state.rows, rows);
  const log = logged(state.log, changes, now);
  return { ...state, rows, samples: addSample(state.samples, rows, now), log, error: undefined, now };
}

export function withInfo(state: DashboardState, info: DeviceInfo, now: number): DashboardState {
  return { ...state, info, infoAt: now, now };
}

/** What the device reports by itself: on a slow line more than readings tell. */
export function withEvent(state: DashboardState, event: DeviceEvent, now: number): DashboardState {
  // Each health probe is one; that would be all one sees.
  if (event.action.startsWith('exec_')) return state;
  const change: Change = { component: event.component, text: `${event.type} ${event.action}`, tone: 'dim' };
  return { ...state, log: logged(state.log, [change], now) };
}

export function withConnection(state: DashboardState, connection: ConnectionState, now: number): DashboardState {
  const was = state.connection.state;
  if (was === connection.state) return { ...state, connection };
  const changes: Change[] = [];
  if (connection.state === 'connected') {
    changes.push({ component: state.deviceName, text: 'connected again', tone: 'good' });
  } else if (was === 'connected') {
    changes.push({ component: state.deviceName, text: `connection lost: ${connection.detail}`, tone: 'bad' });
  }
  return { ...state, connection, log: logged(state.log, changes, now), error: undefined };
}

/** Share of all processors that the components used between the last two readings, in percent. */
export function deviceCpuPercent(state: DashboardState): number | undefined {
  const shares = state.rows.flatMap(({ cpuPercent }) => (cpuPercent === undefined ? [] : [cpuPercent]));
  if (!state.info || shares.length === 0) return undefined;
  return Math.min(100, shares.reduce((total, each) => total + each, 0) / Math.max(1, state.info.cpus));
}

function logged(log: LogEntry[], changes: readonly Change[], at: number): LogEntry[] {
  return changes.length === 0 ? log : [...log, ...changes.map((change) => ({ ...change, at }))].slice(-mostLogged);
}

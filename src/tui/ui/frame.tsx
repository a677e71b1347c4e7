import type { ReactElement } from 'react';
import type { ConnectionState } from '../../device/device.ts';
import { deviceAlarm } from '../../device/readings/device-facts.ts';
import { formatBytes, formatDuration } from '../../shared/text/format.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import { displayWidth, pad, truncate } from '../../shared/text/width.ts';
import { actionsOf, keyLabel } from '../actions/table.ts';
import { layoutOf } from '../store/layout.ts';
import { type AppState, currentScreen, type Toast } from '../store/state.ts';
import { Line, type Span } from './line.tsx';

const connectionWords: Record<ConnectionState['state'], Span> = {
  connected: ['● connected', 'good'],
  connecting: ['◌ connecting', 'warn'],
  reconnecting: ['◌ reconnecting', 'bad'],
  closed: ['○ closed', 'bad'],
};

/** Two rows: which device this is, and how it does. */
export function Header({ state }: { state: AppState }): ReactElement {
  const { info, size } = state;
  const connection = connectionWords[state.connection.state];
  const name = info && info.hostname !== state.deviceName ? `${state.deviceName} (${info.hostname})` : state.deviceName;
  const room = size.columns - displayWidth(` Gantry  ${connection[0]} `);
  return (
    <>
      <Line spans={[[' Gantry ', 'title'], pad(name, room), ' ', connection]} />
      <Line spans={factSpans(state, size.columns - 2)} />
    </>
  );
}

/** What a person must know goes before what they may want to. */
function factSpans(state: AppState, width: number): Span[] {
  const alarm = state.info && deviceAlarm(state.info);
  if (alarm === undefined) return [[` ${truncate(facts(state), width)}`, 'dim']];
  const first = truncate(`${sanitizeLine(alarm, { color: false })}: I tells more`, width);
  return [
    [` ${first}`, 'bad'],
    [truncate(` · ${facts(state)}`, Math.max(0, width - displayWidth(first))), 'dim'],
  ];
}

function facts(state: AppState): string {
  const { info } = state;
  if (!info) return 'asking the device …';
  const uptime = info.uptimeSeconds + (state.now - state.infoAt) / 1000;
  const used = info.memory.totalBytes - info.memory.availableBytes;
  return [
    `revision ${info.revision.number}${info.persistent ? '' : ' (kept until power-off)'}`,
    info.arch,
    `Linux ${info.kernel}`,
    `up ${formatDuration(uptime)}`,
    `memory ${formatBytes(used)} of ${formatBytes(info.memory.totalBytes)}`,
  ].join(' · ');
}

/** Why what is shown may be out of date. */
export function Banner({ state }: { state: AppState }): ReactElement {
  const { connection, loadError, size } = state;
  const text =
    connection.state === 'reconnecting'
      ? `Connection lost: ${connection.detail}; attempt ${connection.attempt}, it comes back by itself`
      : connection.state === 'closed'
        ? `Connection closed: ${connection.detail}; q leaves`
        : connection.state === 'connecting'
          ? `Connecting: ${connection.detail}`
          : `The device did not answer as expected: ${loadError ?? ''}`;
  return <Line spans={[[pad(` ${text}`, size.columns), connection.state === 'connecting' ? 'warn' : 'alarm']]} />;
}

export function Toasts({ toasts, columns }: { toasts: Toast[]; columns: number }): ReactElement[] {
  return toasts
    .slice(-2)
    .map((toast) => (
      <Line
        key={toast.id}
        spans={[[` ${truncate(toast.text, columns - 2)}`, toast.kind === 'error' ? 'bad' : 'accent']]}
      />
    ));
}

const inputHints: Partial<Record<string, [key: string, hint: string][]>> = {
  swap: [
    ['Enter', 'go on'],
    ['↓ ↑', 'choose'],
    ['Esc', 'cancel'],
  ],
  rollback: [
    ['Enter', 'roll back'],
    ['Tab', 'other target'],
    ['Esc', 'cancel'],
  ],
  query: [
    ['Enter', 'search'],
    ['Esc', 'cancel'],
  ],
  dialog: [
    ['← →', 'choose'],
    ['Enter', 'take it'],
    ['Esc', 'cancel'],
  ],
};

/** The keys that work here, as many as fit; `?` shows all. */
export function Footer({ state }: { state: AppState }): ReactElement[] {
  const { footer, columns } = layoutOf(state);
  const rows: Span[][] = Array.from({ length: footer }, () => []);
  let row = 0;
  let room = columns;
  for (const [key, hint, available] of hints(state)) {
    const width = displayWidth(key) + displayWidth(hint) + 3;
    if (width > room) {
      row++;
      room = columns;
    }
    room -= width;
    rows[row]?.push([` ${key}`, available ? 'accent' : 'dim'], [` ${hint} `, available ? 'plain' : 'dim']);
  }
  // biome-ignore lint/suspicious/noArrayIndexKey: rows have no identity but their place
  return rows.map((spans, index) => <Line key={index} spans={spans} />);
}

/** What the person waits for. */
export function Opening({ what, columns }: { what: string; columns: number }): ReactElement {
  return <Line spans={[[` ${truncate(`opening ${what} …  Esc gives up`, columns - 2)}`, 'accent']]} />;
}

function hints(state: AppState): [key: string, hint: string, available: boolean][] {
  const screen = currentScreen(state);
  const input = state.dialog ? 'dialog' : screen === 'logs' && state.logs?.query ? 'query' : screen;
  const fixed = inputHints[input];
  if (fixed) return fixed.map(([key, hint]) => [key, hint, true]);
  const hinted = actionsOf(screen).filter((action) => action.hint !== undefined);
  // Help and the way out must be seen even where not all fits, so they come first.
  const order = [...hinted.filter((action) => isWayOut(action.id)), ...hinted.filter((action) => !isWayOut(action.id))];
  return order.map((action) => [
    keyLabel(action.keys[0] ?? ''),
    action.hint ?? '',
    action.unavailable?.(state) === undefined,
  ]);
}

function isWayOut(id: string): boolean {
  return id === 'help' || id === 'quit' || id === 'back' || id === 'leave-logs';
}

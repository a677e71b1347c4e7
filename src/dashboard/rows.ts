import { type ComponentRow, isContainer, uptimeText } from '../device/readings/component-rows.ts';
import { formatBytes, formatDuration } from '../shared/text/format.ts';
import { pad } from '../shared/text/width.ts';
import { healthTone, stateTone } from './changes.ts';
import type { Series } from './history.ts';
import { type DashboardState, deviceCpuPercent } from './state.ts';
import { plainCells, type Span, type Tone } from './text.ts';

/** Which device this is; while there is no connection, why. */
export function headerRow(state: DashboardState, width: number): Span[] {
  const { connection, error } = state;
  const leave = 'q leaves ';
  const banner =
    connection.state === 'reconnecting'
      ? `Connection lost: ${connection.detail}; attempt ${connection.attempt}, it comes back by itself`
      : connection.state === 'closed'
        ? `Connection closed: ${connection.detail}; it does not come back`
        : connection.state === 'connecting'
          ? `Connecting: ${connection.detail}`
          : error !== undefined && `The device did not answer as expected: ${error}`;
  const room = width - leave.length;
  if (banner !== false) return [[fitted(` ${banner}`, room) + leave, 'alarm']];
  return [
    [fitted(` ${state.deviceName}`, room).trimEnd(), 'title'],
    [fitted(facts(state), room - plainCells(` ${state.deviceName}`).length), 'plain'],
    [leave, 'dim'],
  ];
}

function facts({ info, infoAt, now }: DashboardState): string {
  if (!info) return ' · asking the device …';
  const uptime = info.uptimeSeconds + (now - infoAt) / 1000;
  return ` · revision ${info.revision.number} · ${info.arch} · Linux ${info.kernel} · up ${formatDuration(uptime)}`;
}

/** Processors and memory of the whole device, as bars that need no colour. */
export function gaugesRow(state: DashboardState, width: number): Span[] {
  const { info } = state;
  if (!info) return [];
  const half = Math.floor(width / 2);
  const used = info.memory.totalBytes - info.memory.availableBytes;
  const cpus = `${info.cpus} ${info.cpus === 1 ? 'CPU' : 'CPUs'}`;
  return [
    ...gauge('CPU', deviceCpuPercent(state), `of ${cpus}`, half),
    ...gauge(
      'Memory',
      (100 * used) / Math.max(1, info.memory.totalBytes),
      `${formatBytes(used)} of ${formatBytes(info.memory.totalBytes)}`,
      width - half,
    ),
  ];
}

function gauge(title: string, percent: number | undefined, words: string, width: number): Span[] {
  const label = ` ${percent === undefined ? '  -' : `${Math.round(percent)}`.padStart(3)} % ${words} `;
  const room = Math.max(0, width - title.length - label.length - 2);
  const filled = Math.max(0, Math.min(room, Math.round((room * (percent ?? 0)) / 100)));
  const tone = (percent ?? 0) >= 90 ? 'bad' : (percent ?? 0) >= 70 ? 'warn' : 'good';
  return [
    [` ${title} `, 'title'],
    ['█'.repeat(filled), tone],
    ['░'.repeat(room - filled), 'dim'],
    [fitted(label, width - title.length - 2 - room), 'plain'],
  ];
}

/** The legend of a chart: which colour is which container, and what it uses now. */
export function legendRows(series: readonly Series[], value: (each: Series) => string, width: number): Span[][] {
  return series.map((each) => {
    const now = value(each);
    return [
      [fitted(each.name, width - now.length - 1), each.color],
      [` ${now}`, 'plain'],
    ];
  });
}

interface Column {
  title: string;
  width: number;
  right?: boolean;
  value(row: ComponentRow): string;
  tone?(row: ComponentRow): Tone;
}

/** The table of components: its titles, then as many as fit. */
export function tableRows(state: DashboardState, width: number, height: number): Span[][] {
  if (state.rows.length === 0) return [[[' asking for the components …', 'dim']]];
  const columns = columnsFor(state, width);
  const titles = columns.map(({ title, width: cells, right }) => pad(title, cells, right ? 'right' : 'left'));
  const fits = state.rows.length <= height - 1 ? state.rows.length : Math.max(0, height - 2);
  const rest = state.rows.length - fits;
  return [
    [[` ${titles.join(' ')}`, 'dim']],
    ...state.rows.slice(0, fits).map((row) => [
      [' ', 'plain'] as Span,
      ...columns.map((column): Span => {
        const text = fitted(column.value(row), column.width, column.right);
        return [`${text} `, isContainer(row) ? (column.tone?.(row) ?? 'plain') : 'dim'];
      }),
    ]),
    ...(rest > 0 ? [[[` … and ${rest} more: make the window larger`, 'dim'] as Span]] : []),
  ];
}

function columnsFor(state: DashboardState, width: number): Column[] {
  const fixed: Column[] = [
    { title: 'STATE', width: 12, value: stateText, tone: stateTone },
    { title: 'HEALTH', width: 9, value: ({ health }) => (health === 'none' ? '-' : health), tone: healthTone },
    {
      ...{ title: 'RESTARTS', width: 8, right: true },
      value: ({ restarts }) => String(restarts),
      tone: ({ restarts }) => (restarts > 0 ? 'warn' : 'dim'),
    },
    {
      ...{ title: 'CPU %', width: 6, right: true },
      value: ({ cpuPercent }) => (cpuPercent === undefined ? '-' : cpuPercent.toFixed(1)),
    },
    {
      ...{ title: 'MEMORY', width: 8, right: true },
      value: ({ memoryBytes }) => (memoryBytes === undefined ? '-' : formatBytes(memoryBytes)),
    },
    { title: 'UPTIME', width: 7, right: true, value: (row) => uptimeText(row) },
  ];
  const taken = fixed.reduce((total, column) => total + column.width + 1, 2);
  const longest = Math.max(4, ...state.rows.map(({ name }) => plainCells(name).length));
  return [{ title: 'NAME', width: Math.max(8, Math.min(longest, width - taken)), value: ({ name }) => name }, ...fixed];
}

function stateText({ state, exitCode }: ComponentRow): string {
  return state === 'exited' && exitCode !== undefined ? `exited (${exitCode})` : state;
}

/** The newest entries that fit, newest last, under a title. */
export function logRows(state: DashboardState, height: number): Span[][] {
  if (height < 2) return [];
  const entries = state.log.slice(1 - height);
  return [
    [[' STATE CHANGES', 'dim']],
    ...entries.map(({ at, component, text, tone }): Span[] => [
      [` ${new Date(at).toTimeString().slice(0, 8)} `, 'dim'],
      [component, 'title'],
      [` ${text}`, tone],
    ]),
    ...(entries.length === 0 ? [[[' none since this view was opened', 'dim'] as Span]] : []),
  ];
}

/** `text` in exactly `width` cells of blessed. */
function fitted(text: string, width: number, right = false): string {
  return pad(plainCells(text), width, right ? 'right' : 'left');
}

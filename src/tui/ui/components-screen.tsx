import type { ReactElement } from 'react';
import { type ComponentRow, isContainer, uptimeText } from '../../device/readings/component-rows.ts';
import { formatBytes } from '../../shared/text/format.ts';
import { pad, truncate } from '../../shared/text/width.ts';
import { shortImage } from '../store/components.ts';
import { layoutOf } from '../store/layout.ts';
import { type AppState, selectedComponent } from '../store/state.ts';
import { Line, type Span } from './line.tsx';
import { type Column, cells, fitColumns, titles } from './table.ts';
import type { Tone } from './theme.ts';

const stateTones: Record<string, Tone> = {
  running: 'good',
  failed: 'bad',
  waiting: 'warn',
  starting: 'warn',
  stopping: 'warn',
};
const healthTones: Record<string, Tone> = { healthy: 'good', unhealthy: 'bad', starting: 'warn' };

/** The table of components: system containers, and below them what the device is otherwise made of. */
export function ComponentsScreen({ state }: { state: AppState }): ReactElement {
  const { body, columns: width } = layoutOf(state);
  if (!state.loaded) return <Line spans={[[' asking for the components …', 'dim']]} />;
  const columns = fitColumns(columnsFor(state), state.components, width - 2, [1, 0]);
  const selected = selectedComponent(state);
  const rows = visible(state, body - 2);
  return (
    <>
      <Line spans={[[`  ${titles(columns)}`, 'dim']]} />
      {rows.map((row) => (
        <Line key={row.name} spans={rowSpans(columns, row, row === selected, width)} />
      ))}
      {rows.length < body - 2 && <Line spans={[]} />}
      <Line
        spans={[[` ${truncate(detail(state, selected), width - 2)}`, selected?.state === 'failed' ? 'bad' : 'dim']]}
      />
    </>
  );
}

function rowSpans(columns: Column<ComponentRow>[], row: ComponentRow, selected: boolean, width: number): Span[] {
  const parts = cells(columns, row);
  if (!selected) return ['  ', ...parts.map(([text, tone]): Span => [text, isContainer(row) ? tone : 'dim'])];
  return [[pad(`▸ ${parts.map(([text]) => text).join('')}`, width), 'selected']];
}

/** The rows around the selected one. */
function visible(state: AppState, height: number): ComponentRow[] {
  const { components } = state;
  const index = components.findIndex((row) => row.name === state.selected);
  const top = Math.min(Math.max(0, index - Math.floor(height / 2)), Math.max(0, components.length - height));
  return components.slice(top, top + Math.max(1, height));
}

function columnsFor(state: AppState): Column<ComponentRow>[] {
  const container = (value: (row: ComponentRow) => string) => (row: ComponentRow) =>
    isContainer(row) ? value(row) : '';
  return [
    { title: 'NAME', width: 10, value: (row) => row.name },
    { title: 'IMAGE', width: 12, value: (row) => shortImage(row.image) },
    {
      title: 'STATE',
      width: 10,
      value: (row) => state.busy[row.name] ?? row.state,
      tone: (row) => (state.busy[row.name] === undefined ? (stateTones[row.state] ?? 'plain') : 'warn'),
    },
    {
      title: 'HEALTH',
      width: 9,
      value: container((row) => (row.health === 'none' ? '-' : row.health)),
      tone: (row) => healthTones[row.health] ?? 'dim',
    },
    { title: 'UPTIME', width: 7, align: 'right', value: (row) => uptimeText(row) },
    {
      title: 'RST',
      width: 4,
      align: 'right',
      value: container((row) => String(row.restarts)),
      tone: (row) => (row.restarts > 0 ? 'warn' : 'dim'),
    },
    {
      title: 'CPU %',
      width: 6,
      align: 'right',
      value: (row) => (row.cpuPercent === undefined ? '-' : row.cpuPercent.toFixed(1)),
    },
    {
      title: 'MEMORY',
      width: 7,
      align: 'right',
      value: (row) => (row.memoryBytes === undefined ? '-' : formatBytes(row.memoryBytes)),
    },
  ];
}

function detail(state: AppState, row: ComponentRow | undefined): string {
  if (!row) return 'no component';
  const exit = row.exitCode === undefined || row.state === 'running' ? [] : [`exit code ${row.exitCode}`];
  const swap =
    state.running && !state.running.progress.outcome ? [`${state.running.title} is under way: p shows it`] : [];
  return [
    ...swap,
    `${row.name}: ${row.kind}`,
    row.image,
    ...exit,
    ...(row.detail === undefined ? [] : [row.detail]),
  ].join(' · ');
}

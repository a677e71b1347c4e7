import type { ReactElement } from 'react';
import { describeChange, describeRevision } from '../../device/readings/revision-changes.ts';
import type { RevisionSummary } from '../../shared/api/types.ts';
import { pad, truncate } from '../../shared/text/width.ts';
import { documentHeight } from '../store/layout.ts';
import type { AppState } from '../store/state.ts';
import { Line, type Span } from './line.tsx';
import { type Column, cells, fitColumns, titles } from './table.ts';
import type { Tone } from './theme.ts';

const tones: Record<RevisionSummary['state'], Tone> = {
  current: 'good',
  previous: 'plain',
  available: 'dim',
  refused: 'bad',
  failed: 'bad',
  interrupted: 'warn',
  trying: 'accent',
  collected: 'dim',
};
const columns: Column<RevisionSummary>[] = [
  { title: 'REV', width: 4, align: 'right', value: (row) => String(row.number) },
  { title: 'STATE', width: 11, value: (row) => row.state, tone: (row) => tones[row.state] },
  { title: 'CREATED', width: 19, value: (row) => row.createdAt.slice(0, 19).replace('T', ' '), tone: () => 'dim' },
  { title: 'REASON', width: 12, value: (row) => row.reason },
  { title: 'CHANGES', width: 12, value: changesOf },
];

function changesOf({ factory, changes }: RevisionSummary): string {
  return factory ? 'as composed' : changes.map(describeChange).join(', ');
}

/** The revisions of the device, newest first. */
export function RevisionsScreen({ state }: { state: AppState }): ReactElement {
  const { list, error, selected } = state.revisions;
  const { columns: width } = state.size;
  if (error !== undefined) return <Line spans={[[` the revisions are unknown: ${error}`, 'bad']]} />;
  if (!list) return <Line spans={[[' asking for the revisions …', 'dim']]} />;
  const height = Math.max(1, documentHeight(state) - 2);
  const top = Math.max(0, Math.min(selected - Math.floor(height / 2), list.revisions.length - height));
  const fitted = fitColumns(columns, list.revisions, width - 2, [4, 3]);
  const chosen = list.revisions[selected];
  const detail = chosen ? describeRevision(chosen) : '';
  return (
    <>
      <Line spans={[[` revisions of ${state.deviceName}`, 'title']]} />
      <Line spans={[[`  ${titles(fitted)}`, 'dim']]} />
      {list.revisions.slice(top, top + height).map((row) => (
        <Line key={row.number} spans={spansOf(fitted, row, row === chosen, width)} />
      ))}
      <Line spans={[[` ${truncate(detail, width - 2)}`, chosen?.failure === undefined ? 'dim' : 'bad']]} />
    </>
  );
}

function spansOf(fitted: Column<RevisionSummary>[], row: RevisionSummary, selected: boolean, width: number): Span[] {
  const parts = cells(fitted, row);
  if (!selected) return ['  ', ...parts];
  return [[pad(`▸ ${parts.map(([text]) => text).join('')}`, width), 'selected']];
}

import { Text } from 'ink';
import type { ReactElement } from 'react';
import { displayWidth, pad } from '../../shared/text/width.ts';
import { logPaneSize } from '../store/layout.ts';
import { visibleRows } from '../store/log-view.ts';
import type { AppState, LogPane } from '../store/state.ts';
import { Line, type Span } from './line.tsx';
import { textInput } from './text-input.ts';

/** The log of one component: a title, and the lines as one text, which costs half of one text for each. */
export function LogsScreen({ state }: { state: AppState }): ReactElement | null {
  const pane = state.logs;
  if (!pane) return null;
  const size = logPaneSize(state);
  const rows = visibleRows(pane.ring, pane.view, size).map((row) => {
    const marked = pane.search ? pane.search.highlight(row.text) : row.text;
    return marked === '' ? ' ' : marked;
  });
  return (
    <>
      <Line spans={title(pane, size.width)} />
      <Text wrap="truncate">{rows.join('\n')}</Text>
    </>
  );
}

function title(pane: LogPane, width: number): Span[] {
  if (pane.query) return [[' search: ', 'accent'], ...textInput(pane.query, width - 10)];
  const right = ` ${[searchText(pane), evictedText(pane), position(pane)].filter((text) => text !== '').join(' · ')} `;
  const left = ` log of ${pane.name}: ${pane.status}`;
  return [
    [pad(left, Math.max(0, width - displayWidth(right))), 'title'],
    [right, pane.view.follow ? 'good' : 'warn'],
  ];
}

function searchText(pane: LogPane): string {
  if (!pane.search) return '';
  const { matches, query } = pane.search;
  const index = pane.match === undefined ? -1 : matches.indexOf(pane.match);
  return `"${query}" ${index === -1 ? '' : `${index + 1} of `}${matches.length}`;
}

function evictedText(pane: LogPane): string {
  return pane.ring.evicted === 0 ? '' : `${pane.ring.evicted} older lines dropped`;
}

function position(pane: LogPane): string {
  return pane.view.follow ? `${pane.ring.end} lines` : `paused, ${pane.ring.end} lines; G follows`;
}

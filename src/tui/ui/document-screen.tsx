import { Text } from 'ink';
import type { ReactElement } from 'react';
import { truncate } from '../../shared/text/width.ts';
import { documentHeight } from '../store/layout.ts';
import type { AppState, Document } from '../store/state.ts';
import { Line } from './line.tsx';

/** Text to scroll: what `inspect` found, the help. */
export function DocumentScreen({ state, document }: { state: AppState; document: Document }): ReactElement {
  const height = documentHeight(state);
  const { columns } = state.size;
  const rows = document.lines.slice(document.top, document.top + height);
  const last = Math.min(document.lines.length, document.top + height);
  return (
    <>
      <Line
        spans={[
          [` ${document.title}`, 'title'],
          [`  ${document.top + 1}–${last} of ${document.lines.length}`, 'dim'],
        ]}
      />
      <Text wrap="truncate">{rows.map((row) => ` ${truncate(row, columns - 1)}`).join('\n')}</Text>
    </>
  );
}

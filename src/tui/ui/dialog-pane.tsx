import type { ReactElement } from 'react';
import { truncate } from '../../shared/text/width.ts';
import type { Dialog } from '../store/state.ts';
import { Line, type Span } from './line.tsx';

/** A question above the footer; what it is about stays in sight. */
export function DialogPane({ dialog, columns }: { dialog: Dialog; columns: number }): ReactElement {
  const choices: Span[] = dialog.choices.flatMap((choice, index): Span[] =>
    index === dialog.selected ? ['  ', [`[ ${choice.label} ]`, 'selected']] : ['  ', `  ${choice.label}  `],
  );
  return (
    <>
      <Line spans={[['─'.repeat(columns), 'dim']]} />
      <Line spans={[[` ${truncate(dialog.title, columns - 2)}`, 'title']]} />
      {dialog.lines.map((line) => (
        <Line key={line} spans={[` ${truncate(line, columns - 2)}`]} />
      ))}
      <Line spans={[]} />
      <Line spans={choices} />
    </>
  );
}

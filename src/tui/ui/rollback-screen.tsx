import type { ReactElement } from 'react';
import type { RollbackForm } from '../store/state.ts';
import { Line, type Span } from './line.tsx';
import { textInput } from './text-input.ts';

/** What to roll back, what that changes, and the word to be typed. */
export function RollbackScreen({ form }: { form: RollbackForm }): ReactElement {
  const target = form.targets[form.selected];
  const lines: Span[][] =
    target?.unavailable === undefined
      ? (target?.changes ?? []).map((change) => [`   ${change}`])
      : [[[`   ${target.unavailable}`, 'warn']]];
  return (
    <>
      <Line spans={[[' roll back', 'title']]} />
      <Line spans={[]} />
      {form.targets.map((each, index) => (
        <Line
          key={each.word}
          spans={[index === form.selected ? [` ▸ ${each.label} `, 'selected'] : `   ${each.label} `]}
        />
      ))}
      <Line spans={[]} />
      {lines.map((spans, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines have no identity but their place
        <Line key={index} spans={spans} />
      ))}
      <Line spans={[]} />
      {target && target.unavailable === undefined && (
        <Line spans={[' type ', [target.word, 'title'], ' to confirm: ', ...textInput(form.field, 40)]} />
      )}
    </>
  );
}

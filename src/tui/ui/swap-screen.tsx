import type { ReactElement } from 'react';
import type { SwapForm } from '../store/state.ts';
import { Line } from './line.tsx';
import { textInput } from './text-input.ts';

const shownChoices = 10;

/** Which image shall replace a component: typed, or one it could take. */
export function SwapScreen({ form }: { form: SwapForm }): ReactElement {
  const top = Math.max(0, form.choice - shownChoices + 1);
  return (
    <>
      <Line
        spans={[
          [` swap ${form.component}`, 'title'],
          [`  now ${form.current}`, 'dim'],
        ]}
      />
      <Line spans={[]} />
      <Line spans={[[' image: ', 'accent'], ...textInput(form.field, 60)]} />
      <Line spans={[['        an OCI layout, a tar file or a registry reference', 'dim']]} />
      <Line spans={[]} />
      {form.choices.length > 0 && <Line spans={[[` images ${form.component} could take:`, 'dim']]} />}
      {form.choices.slice(top, top + shownChoices).map((choice, index) => {
        const selected = top + index === form.choice;
        const note = choice.refused === undefined ? choice.note : `${choice.note}, rolled back: ${choice.refused}`;
        return (
          <Line
            key={choice.ref}
            spans={[
              selected ? [` ▸ ${choice.ref}`, 'selected'] : `   ${choice.ref}`,
              [`  ${note}`, choice.refused === undefined ? 'dim' : 'bad'],
            ]}
          />
        );
      })}
    </>
  );
}

import { Text } from 'ink';
import { type ReactElement, useContext } from 'react';
import { lookOf, PaletteContext, type Tone } from './theme.ts';

export type Span = string | [text: string, tone: Tone];

/** One row of the screen. Texts are cut to the row, never wrapped. */
export function Line({ spans }: { spans: Span[] }): ReactElement {
  const palette = useContext(PaletteContext);
  return (
    <Text wrap="truncate">
      {spans.map((span, index) => {
        const [text, tone] = typeof span === 'string' ? [span, 'plain' as const] : span;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: spans have no identity but their place
          <Text key={index} {...lookOf(tone, palette)}>
            {text}
          </Text>
        );
      })}
      {spans.length === 0 ? ' ' : ''}
    </Text>
  );
}

import type { TextProps } from 'ink';
import { createContext } from 'react';

/** What a piece of text means; how that looks is decided here alone. */
export type Tone = 'plain' | 'title' | 'dim' | 'good' | 'warn' | 'bad' | 'accent' | 'selected' | 'alarm';

type Look = Pick<TextProps, 'color' | 'bold' | 'dimColor' | 'inverse'>;

const coloured: Record<Tone, Look> = {
  plain: {},
  title: { bold: true },
  dim: { dimColor: true },
  good: { color: 'green' },
  warn: { color: 'yellow' },
  bad: { color: 'red' },
  accent: { color: 'cyan' },
  selected: { inverse: true },
  alarm: { color: 'red', inverse: true },
};

export interface Palette {
  /** False with NO_COLOR. */
  color: boolean;
  /** Greyed: what is shown may be out of date. */
  stale: boolean;
}

export const PaletteContext = createContext<Palette>({ color: true, stale: false });

export function lookOf(tone: Tone, palette: Palette): Look {
  const { color, ...look } = coloured[tone];
  if (palette.stale && tone !== 'selected') return { dimColor: true };
  return palette.color && color !== undefined ? { ...look, color } : look;
}

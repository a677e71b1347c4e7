import { displayWidth } from '../shared/text/width.ts';

/** What a piece of text means; how that looks is decided here alone. */
export type Tone = 'plain' | 'title' | 'dim' | 'good' | 'warn' | 'bad' | 'alarm' | ChartColor;
export type Span = [text: string, tone: Tone];

/** The colours that the charts' canvas knows and that differ on dark and on light ground. */
export const chartColors = ['green', 'yellow', 'cyan', 'magenta', 'red', 'blue', 'white'] as const;
export type ChartColor = (typeof chartColors)[number];

const looks: Partial<Record<Tone, string>> = {
  title: 'bold',
  dim: 'light-black-fg',
  good: 'green-fg',
  warn: 'yellow-fg',
  bad: 'red-fg',
  alarm: 'inverse',
};

const segmenter = new Intl.Segmenter();
/** Letters and signs that every terminal and blessed's own tables (of 2015) take to be one cell wide. */
const narrow =
  /^[\x20-\x7e\xa1-\xac\xae-\u02ff\u0370-\u0482\u048a-\u0590\u2010-\u2027\u2030-\u205e\u2190-\u22ff\u2500-\u25ff]$/;

/**
 * `text` with one cell for each of its UTF-16 units, as blessed counts them: what is wider becomes question marks, what
 * has no width disappears. Nothing in it can move the cursor or change a colour.
 */
export function plainCells(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  let out = '';
  for (const { segment } of segmenter.segment(text)) {
    out += narrow.test(segment) ? segment : '?'.repeat(displayWidth(segment));
  }
  return out;
}

/** One row for a widget with tags, at most `width` cells. The texts themselves are never read as tags. */
export function tagged(spans: readonly Span[], width: number, color: boolean): string {
  let room = width;
  let out = '';
  for (const [text, tone] of spans) {
    const cells = plainCells(text).slice(0, room);
    room -= cells.length;
    const look = lookOf(tone, color);
    const escaped = escapeTags(cells);
    out += look === undefined ? escaped : `{${look}}${escaped}{/${look}}`;
  }
  return out;
}

function escapeTags(text: string): string {
  return text.replaceAll(/[{}]/g, (brace) => (brace === '{' ? '{open}' : '{close}'));
}

function lookOf(tone: Tone, color: boolean): string | undefined {
  const look = looks[tone] ?? (tone === 'plain' ? undefined : `${tone}-fg`);
  return color || !look?.endsWith('-fg') ? look : undefined;
}

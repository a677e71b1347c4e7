import { wideRanges } from './wide-ranges.ts';

/**
 * How many terminal cells a text takes, and cutting by cells. Input is sanitised text: its only escapes are SGR
 * (`ESC [ digits ; … m`), which take no cell.
 */
const printableAscii = /^[\x20-\x7e]*$/;
const sgr = /\x1b\[[0-9;]*m/;
const allSgr = /\x1b\[[0-9;]*m/g;
const visible =
  /[^\p{Default_Ignorable_Code_Point}\p{Control}\p{Format}\p{Nonspacing_Mark}\p{Enclosing_Mark}\p{Surrogate}]/v;
const emoji = /^\p{RGI_Emoji}$/v;
const segmenter = new Intl.Segmenter();
/** Nothing that looks like an emoji is longer; keeps a hostile cluster from costing more than its length. */
const longestEmoji = 50;

/** Cells that `text` takes on a terminal. */
export function displayWidth(text: string): number {
  const plain = text.includes('\x1b') ? text.replace(allSgr, '') : text;
  if (printableAscii.test(plain)) return plain.length;
  let width = 0;
  for (const { segment } of segmenter.segment(plain)) width += clusterWidth(segment);
  return width;
}

/**
 * The cells `from` (counted from 0) up to, not including, `to` of `text`. Colour that is in force at the cut is kept and
 * reset at the end. A character that the cut would halve becomes spaces.
 */
export function sliceWidth(text: string, from: number, to: number): string {
  if (to <= from) return '';
  if (printableAscii.test(text)) return text.slice(from, to);
  let out = '';
  let column = 0;
  let styled = false;
  let pending = '';
  for (const piece of pieces(text)) {
    if (piece.startsWith('\x1b[')) {
      const reset = piece === '\x1b[0m';
      if (out === '') pending = reset ? '' : pending + piece;
      else if (column < to) {
        out += piece;
        styled = !reset;
      }
      continue;
    }
    const end = column + clusterWidth(piece);
    if (end > from || (end === column && column > from)) {
      if (column >= to && end > column) break;
      if (pending !== '') {
        out += pending;
        pending = '';
        styled = true;
      }
      out += column >= from && end <= to ? piece : ' '.repeat(Math.min(end, to) - Math.max(column, from));
    }
    column = end;
  }
  return styled ? `${out}\x1b[0m` : out;
}

/** `text` in at most `width` cells; `…` is the last one if something was cut. */
export function truncate(text: string, width: number): string {
  if (width <= 0) return '';
  if (text.length <= width && printableAscii.test(text)) return text;
  return displayWidth(text) <= width ? text : `${sliceWidth(text, 0, width - 1)}…`;
}

/** `text` in exactly `width` cells: cut as `truncate` does, or filled with spaces at its end (or its start). */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const cut = truncate(text, width);
  const fill = ' '.repeat(Math.max(0, width - displayWidth(cut)));
  return align === 'left' ? cut + fill : fill + cut;
}

/** `text` cut into rows of at most `width` cells (at least 2); at least one row. Colour goes on from row to row. */
export function wrap(text: string, width: number): string[] {
  const limit = Math.max(2, width);
  if (text.length <= limit && printableAscii.test(text)) return [text];
  const rows: string[] = [];
  let row = '';
  let column = 0;
  let style = '';
  for (const piece of pieces(text)) {
    if (piece.startsWith('\x1b[')) {
      style = piece === '\x1b[0m' ? '' : style + piece;
      row += piece;
      continue;
    }
    const cells = clusterWidth(piece);
    if (column + cells > limit) {
      rows.push(style === '' ? row : `${row}\x1b[0m`);
      row = style;
      column = 0;
    }
    row += piece;
    column += cells;
  }
  rows.push(row);
  return rows;
}

/** Cells that one code point takes when it stands alone. */
export function codePointWidth(codePoint: number): number {
  if (codePoint < 0x300)
    return codePoint < 0x20 || (codePoint >= 0x7f && codePoint < 0xa0) || codePoint === 0xad ? 0 : 1;
  if (!visible.test(String.fromCodePoint(codePoint))) return 0;
  return isWide(codePoint) ? 2 : 1;
}

function* pieces(text: string): Generator<string> {
  let at = 0;
  while (at < text.length) {
    const rest = at === 0 ? text : text.slice(at);
    const match = sgr.exec(rest);
    const plain = match ? rest.slice(0, match.index) : rest;
    for (const { segment } of segmenter.segment(plain)) yield segment;
    if (!match) return;
    yield match[0];
    at += match.index + match[0].length;
  }
}

function clusterWidth(cluster: string): number {
  const first = cluster.charCodeAt(0);
  if (cluster.length === 1 && first >= 0x20 && first < 0x7f) return 1;
  if (cluster.length <= longestEmoji && emoji.test(cluster)) return 2;
  const start = cluster.search(visible);
  if (start === -1) return 0;
  let width = 0;
  for (const character of cluster.slice(start)) {
    if (width === 0) width = isWide(character.codePointAt(0) ?? 0) ? 2 : 1;
    else if (/[\p{Spacing_Mark}\uff00-\uffef]/v.test(character)) width += 1;
  }
  return width;
}

function isWide(codePoint: number): boolean {
  let low = 0;
  let high = wideRanges.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (codePoint < (wideRanges[2 * middle] ?? 0)) high = middle - 1;
    else if (codePoint > (wideRanges[2 * middle + 1] ?? 0)) low = middle + 1;
    else return true;
  }
  return false;
}

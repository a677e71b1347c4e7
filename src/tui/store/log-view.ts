import { sliceWidth, wrap } from '../../shared/text/width.ts';
import type { LogEntry, LogRing } from './log-ring.ts';

/** Where a log pane looks. Anchored to an entry's id, so that neither new lines nor eviction move what is read. */
export interface LogView {
  /** Sticks to the newest line. */
  follow: boolean;
  /** First row shown while not following: entry and row within it (rows > 0 only when wrapped). */
  top: RowPosition;
  wrap: boolean;
  timestamps: boolean;
  /** First cell shown when not wrapped. */
  column: number;
}

export interface RowPosition {
  id: number;
  row: number;
}

export interface PaneSize {
  width: number;
  height: number;
}

export const initialLogView: LogView = {
  follow: true,
  top: { id: 0, row: 0 },
  wrap: false,
  timestamps: false,
  column: 0,
};

/** What an entry says on screen, before it is cut to rows. */
export function entryText(entry: LogEntry, view: Pick<LogView, 'timestamps'>): string {
  if (entry.kind === 'note') return `── ${entry.text} ──`;
  return view.timestamps && entry.time !== '' ? `${entry.time.slice(0, 23).padEnd(23)} ${entry.text}` : entry.text;
}

/** The rows on screen, at most `size.height`, and the ids they come from. */
export function visibleRows(ring: LogRing, view: LogView, size: PaneSize): { text: string; id: number }[] {
  const rows: { text: string; id: number }[] = [];
  let { id, row } = topOf(ring, view, size);
  for (; id < ring.end && rows.length < size.height; id++, row = 0) {
    for (const text of rowsOf(ring, id, view, size.width).slice(row, row + size.height - rows.length)) {
      rows.push({ text, id });
    }
  }
  return rows;
}

/** The view after scrolling by `rows` (negative: towards older lines); this pauses following. */
export function scroll(ring: LogRing, view: LogView, size: PaneSize, rows: number): LogView {
  return { ...view, follow: false, top: move(ring, view, size.width, topOf(ring, view, size), rows, size.height) };
}

/** The view with the entry `id` on screen, a third from the top if it was not there already. */
export function reveal(ring: LogRing, view: LogView, size: PaneSize, id: number): LogView {
  const shown = visibleRows(ring, view, size).some((row) => row.id === id);
  const top = shown
    ? topOf(ring, view, size)
    : move(ring, view, size.width, { id, row: 0 }, -Math.floor(size.height / 3), size.height);
  return { ...view, follow: false, top };
}

/** Where the pane starts now. */
export function topOf(ring: LogRing, view: LogView, size: PaneSize): RowPosition {
  if (view.follow) return lastTop(ring, view, size);
  return view.top.id < ring.first ? { id: ring.first, row: 0 } : view.top;
}

function lastTop(ring: LogRing, view: LogView, size: PaneSize): RowPosition {
  let missing = size.height;
  for (let id = ring.end - 1; id >= ring.first; id--) {
    const rows = rowsOf(ring, id, view, size.width).length;
    if (rows >= missing) return { id, row: rows - missing };
    missing -= rows;
  }
  return { id: ring.first, row: 0 };
}

function move(ring: LogRing, view: LogView, width: number, from: RowPosition, by: number, height: number): RowPosition {
  let { id, row } = from;
  row += by;
  while (row < 0 && id > ring.first) row += rowsOf(ring, --id, view, width).length;
  if (row < 0) row = 0;
  for (let rows = rowsOf(ring, id, view, width).length; row >= rows && id < ring.end; ) {
    row -= rows;
    id++;
    rows = rowsOf(ring, id, view, width).length;
  }
  const last = lastTop(ring, view, { width, height });
  return id > last.id || (id === last.id && row > last.row) ? last : { id, row };
}

function rowsOf(ring: LogRing, id: number, view: LogView, width: number): string[] {
  const entry = ring.get(id);
  if (!entry) return [''];
  const text = entryText(entry, view);
  return view.wrap ? wrap(text, width) : [sliceWidth(text, view.column, view.column + width)];
}

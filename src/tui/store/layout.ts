import { type AppState, isStale } from './state.ts';

/** Smaller than this, nothing sensible can be drawn. */
export const smallest = { columns: 72, rows: 16 };
const headerRows = 2;
/** All hints fit one row only on a wide terminal. */
const wideColumns = 118;
/** Border above, title, a blank line and the choices. */
const dialogFrame = 4;

export interface Layout {
  columns: number;
  rows: number;
  tooSmall: boolean;
  banner: number;
  dialog: number;
  toasts: number;
  footer: number;
  /** What is left for the screen between header and footer. */
  body: number;
}

/** How many rows each part of the screen gets. Key handlers scroll by the same numbers that the screen is drawn with. */
export function layoutOf(state: AppState): Layout {
  const { columns, rows } = state.size;
  const banner = isStale(state) || state.loadError !== undefined ? 1 : 0;
  const dialog = state.dialog ? dialogFrame + state.dialog.lines.length : 0;
  const toasts = Math.min(state.toasts.length, 2) + (state.opening === undefined ? 0 : 1);
  const footer = columns < wideColumns ? 2 : 1;
  return {
    columns,
    rows,
    tooSmall: columns < smallest.columns || rows < smallest.rows,
    banner,
    dialog,
    toasts,
    footer,
    body: Math.max(1, rows - headerRows - footer - banner - dialog - toasts),
  };
}

/** The log pane inside the body: a title line above. */
export function logPaneSize(state: AppState): { width: number; height: number } {
  const { columns, body } = layoutOf(state);
  return { width: columns, height: Math.max(1, body - 1) };
}

/** Rows of a document inside the body: a title line above. */
export function documentHeight(state: AppState): number {
  return Math.max(1, layoutOf(state).body - 1);
}

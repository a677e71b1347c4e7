import type { Context } from '../context.ts';
import { logPaneSize } from '../store/layout.ts';
import { LogSearch } from '../store/log-search.ts';
import { reveal, scroll, topOf } from '../store/log-view.ts';
import { closeScreen, type LogPane, openScreen, selectedComponent } from '../store/state.ts';
import { emptyField, fieldOf } from '../store/text-field.ts';

const sidewaysStep = 16;

/** Shows and follows the log of the selected system container. */
export function openLogs(context: Context): void {
  const row = selectedComponent(context.store.get());
  if (!row) return;
  context.logs.open(row.name);
  context.store.set((state) => openScreen(state, 'logs'));
}

/** Leaves the log; with a search shown, that goes first. */
export function leaveLogs(context: Context): void {
  const pane = context.store.get().logs;
  if (pane?.search) {
    setPane(context, { search: undefined, match: undefined });
    return;
  }
  context.logs.close();
  context.store.set(closeScreen);
}

/** Scrolls; anything but the way to the newest line pauses following. */
export function scrollLogs(context: Context, key: string): void {
  const state = context.store.get();
  const pane = state.logs;
  if (!pane) return;
  const size = logPaneSize(state);
  if (key === 'G' || key === 'end') {
    setPane(context, { view: { ...pane.view, follow: true } });
    return;
  }
  if (key === 'g' || key === 'home') {
    setPane(context, { view: { ...pane.view, follow: false, top: { id: pane.ring.first, row: 0 } } });
    return;
  }
  const rows = rowsFor(key, size.height);
  if (rows !== undefined) setPane(context, { view: scroll(pane.ring, pane.view, size, rows) });
}

export function toggleFollow(context: Context): void {
  const state = context.store.get();
  const pane = state.logs;
  if (!pane) return;
  const top = topOf(pane.ring, pane.view, logPaneSize(state));
  setPane(context, { view: { ...pane.view, follow: !pane.view.follow, top } });
}

export function toggleWrap(context: Context): void {
  const view = context.store.get().logs?.view;
  if (view) setPane(context, { view: { ...view, wrap: !view.wrap, column: 0, top: { ...view.top, row: 0 } } });
}

export function toggleTimestamps(context: Context): void {
  const view = context.store.get().logs?.view;
  if (view) setPane(context, { view: { ...view, timestamps: !view.timestamps, top: { ...view.top, row: 0 } } });
}

export function moveSideways(context: Context, key: string): void {
  const view = context.store.get().logs?.view;
  if (!view || view.wrap) return;
  const step = key === 'h' || key === 'left' ? -sidewaysStep : sidewaysStep;
  setPane(context, { view: { ...view, column: Math.max(0, view.column + step) } });
}

/** Opens the search line, with the search before in it. */
export function editSearch(context: Context): void {
  const search = context.store.get().logs?.search;
  setPane(context, { query: search ? fieldOf(search.query) : emptyField });
}

/** Ends the search line: searches for what was typed, or (`undefined`) leaves everything as it was. */
export function submitSearch(context: Context, query: string | undefined): void {
  const pane = context.store.get().logs;
  if (!pane) return;
  if (query === undefined) {
    setPane(context, { query: undefined });
    return;
  }
  setPane(context, {
    query: undefined,
    match: undefined,
    search: query === '' ? undefined : new LogSearch(pane.ring, query),
  });
  if (query !== '') context.logs.search(() => nextMatch(context, -1));
}

/** Goes to the next (1) or the previous (-1) match. */
export function nextMatch(context: Context, direction: 1 | -1): void {
  const state = context.store.get();
  const pane = state.logs;
  if (!pane?.search) {
    context.toast('info', 'nothing is searched for; / starts a search');
    return;
  }
  const size = logPaneSize(state);
  const from = pane.match ?? (pane.view.follow ? pane.ring.end : pane.view.top.id + size.height);
  const match = pane.search.nearest(from, direction);
  if (match === undefined) {
    context.toast('info', `"${pane.search.query}" is not in the log`);
    return;
  }
  setPane(context, { match, view: reveal(pane.ring, pane.view, size, match) });
}

function setPane(context: Context, change: Partial<LogPane>): void {
  context.store.set((state) => (state.logs ? { logs: { ...state.logs, ...change } } : {}));
}

function rowsFor(key: string, page: number): number | undefined {
  const half = Math.ceil(page / 2);
  const rows: Record<string, number> = {
    ...{ j: 1, down: 1, k: -1, up: -1 },
    ...{ 'ctrl-d': half, 'ctrl-u': -half, 'ctrl-f': page, pagedown: page, space: page, 'ctrl-b': -page, pageup: -page },
  };
  return rows[key];
}

import type { Context } from '../context.ts';
import type { Dialog } from '../store/state.ts';

const moves: Record<string, number> = { left: -1, h: -1, 'shift-tab': -1, right: 1, l: 1, tab: 1 };
const leaving = new Set(['escape', 'q', 'n']);

/** Asks before something that cannot be taken back at once. Cancel is the default. */
export function confirm(context: Context, title: string, lines: string[], label: string, run: () => void): void {
  context.store.set({ dialog: { title, lines, choices: [{ label: 'Cancel' }, { label, run }], selected: 0 } });
}

/** A key while a dialog is open; all of them end here. */
export function dialogKey(context: Context, dialog: Dialog, key: string): void {
  const { store } = context;
  const count = dialog.choices.length;
  const chosen = key === 'enter' ? dialog.choices[dialog.selected] : key === 'y' ? dialog.choices.at(-1) : undefined;
  const move = moves[key];
  if (move !== undefined) {
    store.set({ dialog: { ...dialog, selected: (dialog.selected + move + count) % count } });
  } else if (chosen || leaving.has(key)) {
    store.set({ dialog: undefined });
    chosen?.run?.();
  }
}

import type { Context } from '../context.ts';
import { documentHeight } from '../store/layout.ts';
import { closeScreen, openScreen } from '../store/state.ts';
import { moveIndex } from './select.ts';

export function goBack(context: Context): void {
  context.store.set(closeScreen);
}

export function openHelp(context: Context): void {
  context.store.set((state) => ({ help: { ...state.help, top: 0 }, ...openScreen(state, 'help') }));
}

export function scrollHelp(context: Context, key: string): void {
  const state = context.store.get();
  const height = documentHeight(state);
  const top = moveIndex(state.help.top, key, Math.max(1, state.help.lines.length - height + 1), height);
  if (top !== undefined) context.store.set({ help: { ...state.help, top } });
}

import type { Context } from '../context.ts';
import { layoutOf } from '../store/layout.ts';

/** Where a movement key leads in a list of `count` rows of which `page` are shown; undefined if it is none. */
export function moveIndex(index: number, key: string, count: number, page: number): number | undefined {
  const to = (target: number) => Math.min(Math.max(0, target), Math.max(0, count - 1));
  switch (key) {
    case 'j':
    case 'down':
      return to(index + 1);
    case 'k':
    case 'up':
      return to(index - 1);
    case 'g':
    case 'home':
      return 0;
    case 'G':
    case 'end':
      return to(count - 1);
    case 'ctrl-d':
      return to(index + Math.ceil(page / 2));
    case 'ctrl-u':
      return to(index - Math.ceil(page / 2));
    case 'ctrl-f':
    case 'pagedown':
    case 'space':
      return to(index + page);
    case 'ctrl-b':
    case 'pageup':
      return to(index - page);
    default:
      return undefined;
  }
}

export const movementKeys = [
  ...['j', 'k', 'down', 'up', 'g', 'G', 'home', 'end'],
  ...['ctrl-d', 'ctrl-u', 'ctrl-f', 'ctrl-b', 'pagedown', 'pageup', 'space'],
];

export function moveSelection(context: Context, key: string): void {
  const state = context.store.get();
  const index = state.components.findIndex((row) => row.name === state.selected);
  const next = moveIndex(index, key, state.components.length, layoutOf(state).body);
  if (next !== undefined) context.store.set({ selected: state.components[next]?.name });
}

import { isContainer } from '../../device/readings/component-rows.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { documentHeight } from '../store/layout.ts';
import { openScreen, selectedComponent } from '../store/state.ts';
import { moveIndex } from './select.ts';

/** Shows everything that is known of the selected component. */
export async function inspect(context: Context): Promise<void> {
  const { store } = context;
  const row = selectedComponent(store.get());
  if (!row) return;
  const title = `inspect ${row.name}`;
  store.set((state) => ({ inspect: { title, lines: ['reading …'], top: 0 }, ...openScreen(state, 'inspect') }));
  const lines = await document(context, row.name, isContainer(row) ? undefined : row);
  if (store.get().inspect?.title === title) store.set({ inspect: { title, lines, top: 0 } });
}

/** Scrolls the document on the screen. */
export function scrollDocument(context: Context, key: string): void {
  const state = context.store.get();
  const height = documentHeight(state);
  if (!state.inspect) return;
  const positions = Math.max(1, state.inspect.lines.length - height + 1);
  const top = moveIndex(state.inspect.top, key, positions, height);
  if (top !== undefined) context.store.set({ inspect: { ...state.inspect, top } });
}

async function document(context: Context, name: string, known: object | undefined): Promise<string[]> {
  try {
    const value = known ?? (await context.device.inspect(name));
    return JSON.stringify(value, undefined, 2)
      .split('\n')
      .map((line) => sanitizeLine(line, { color: false }));
  } catch (error) {
    return [errorText(error)];
  }
}

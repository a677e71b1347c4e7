import { isContainer } from '../../device/readings/component-rows.ts';
import { deviceFacts, factLines } from '../../device/readings/device-facts.ts';
import { formatBytes } from '../../shared/text/format.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { documentHeight } from '../store/layout.ts';
import { openScreen, selectedComponent } from '../store/state.ts';
import { moveIndex } from './select.ts';

/** Shows everything that is known of the selected component. */
export async function inspect(context: Context): Promise<void> {
  const row = selectedComponent(context.store.get());
  if (!row) return;
  await show(context, `inspect ${row.name}`, async () =>
    JSON.stringify(isContainer(row) ? await context.device.inspect(row.name) : row, undefined, 2).split('\n'),
  );
}

/** Shows what is known of the device itself, and what could be removed from it. */
export async function inspectDevice(context: Context): Promise<void> {
  const { device, store } = context;
  await show(context, `device ${store.get().deviceName}`, async () => {
    const info = await device.info();
    const upgrade = await device.upgradeStatus();
    const { items, bytes } = await device.collectGarbage(true);
    const garbage = items.map(
      (item) => `  ${item.kind.padEnd(10)}${formatBytes(item.bytes).padStart(8)}  ${item.name}`,
    );
    const heading = items.length === 0 ? 'nothing' : formatBytes(bytes);
    return [...factLines(deviceFacts(info, upgrade)), '', `"gantry gc" would free ${heading}`, ...garbage];
  });
}

/** Opens the document at once, and fills it when its lines are there. */
async function show(context: Context, title: string, read: () => Promise<string[]>): Promise<void> {
  const { store } = context;
  store.set((state) => ({ inspect: { title, lines: ['reading …'], top: 0 }, ...openScreen(state, 'inspect') }));
  const lines = await read().catch((error: unknown) => [errorText(error)]);
  if (store.get().inspect?.title !== title) return;
  store.set({ inspect: { title, lines: lines.map((line) => sanitizeLine(line, { color: false })), top: 0 } });
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

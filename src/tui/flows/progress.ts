import type { SwapEvent } from '../../shared/api/types.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { currentScreen, openScreen } from '../store/state.ts';
import { applySwapEvent, loseSwap, noProgress, type SwapProgress } from '../store/swap-progress.ts';

/** Shows a swap or a rollback while it runs. Leaving the screen does not stop it. */
export async function followSwap(
  context: Context,
  title: string,
  events: () => AsyncIterable<SwapEvent>,
): Promise<void> {
  const { store } = context;
  const fold = (change: (progress: SwapProgress) => SwapProgress) =>
    store.set((state) => (state.running ? { running: { title, progress: change(state.running.progress) } } : {}));
  store.set((state) => ({ running: { title, progress: noProgress }, ...openScreen(state, 'progress') }));
  try {
    for await (const event of events()) {
      fold((progress) => applySwapEvent(progress, event, Date.now()));
      if (!event.sending) context.refresh();
    }
    fold((progress) => loseSwap(progress, 'the device said nothing about the outcome', Date.now()));
  } catch (error) {
    fold((progress) => loseSwap(progress, errorText(error), Date.now()));
  }
  context.refresh(true);
  const { running } = store.get();
  if (currentScreen(store.get()) === 'progress' || !running?.progress.outcome) return;
  const { kind, message } = running.progress.outcome;
  context.toast(kind === 'done' ? 'info' : 'error', `${title}: ${kind === 'done' ? 'done' : message}`);
}

/** Comes back to a swap that goes on (or has ended) in the background. */
export function reopenProgress(context: Context): void {
  context.store.set((state) => openScreen(state, 'progress'));
}

import type { Action } from '../actions/action.ts';
import { actionsOf } from '../actions/table.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { dialogKey } from '../flows/dialog.ts';
import { submitSearch } from '../flows/logs.ts';
import { goBack } from '../flows/navigation.ts';
import { selectTarget, submitRollback } from '../flows/rollback.ts';
import { askSwap, moveChoice } from '../flows/swap.ts';
import { currentScreen, type RollbackForm, type SwapForm } from '../store/state.ts';
import { editField, insertText, type TextField } from '../store/text-field.ts';
import { typedText } from './decode.ts';

/** A text input that has the keyboard: what it holds, and what happens to it. */
interface Input {
  field: TextField;
  change(field: TextField): void;
  /** Keys that mean something else here; returns whether it took the key. */
  special(key: string): boolean;
}

/** The one place where keys go: an open dialog first, then a text input, then the actions of the screen. */
export function dispatchKey(context: Context, key: string): void {
  const state = context.store.get();
  const action = actionsOf(currentScreen(state)).find((each) => each.keys.includes(key));
  if (key === 'ctrl-c' || key === 'ctrl-z') {
    if (action) runAction(context, action, key);
    return;
  }
  if (state.opening !== undefined) {
    if (key === 'escape') context.store.set({ opening: undefined });
    return;
  }
  if (state.dialog) {
    dialogKey(context, state.dialog, key);
    return;
  }
  const input = activeInput(context);
  if (!input) {
    if (action) runAction(context, action, key);
    return;
  }
  if (input.special(key)) return;
  const edited = editField(input.field, key);
  const typed = typedText(key);
  if (edited) input.change(edited);
  else if (typed !== undefined) input.change(insertText(input.field, typed));
}

/** Pasted text goes into a text input or nowhere: it must never be taken for commands. */
export function dispatchPaste(context: Context, text: string): void {
  const { dialog, opening } = context.store.get();
  if (dialog || opening !== undefined) return;
  const input = activeInput(context);
  input?.change(insertText(input.field, text));
}

function runAction(context: Context, action: Action, key: string): void {
  const reason = action.unavailable?.(context.store.get());
  if (reason !== undefined) {
    context.toast('info', reason);
    return;
  }
  const failed = (error: unknown) => context.toast('error', errorText(error));
  try {
    const running = action.run(context, key);
    if (running) running.catch(failed);
  } catch (error) {
    failed(error);
  }
}

function activeInput(context: Context): Input | undefined {
  const state = context.store.get();
  const screen = currentScreen(state);
  if (screen === 'logs' && state.logs?.query) return searchInput(context, state.logs.query);
  if (screen === 'swap' && state.swapForm) return swapInput(context, state.swapForm);
  if (screen === 'rollback' && state.rollbackForm) return rollbackInput(context, state.rollbackForm);
  return undefined;
}

function searchInput(context: Context, field: TextField): Input {
  const handlers: Record<string, () => void> = {
    enter: () => submitSearch(context, field.text),
    escape: () => submitSearch(context, undefined),
  };
  return {
    field,
    change: (query) => context.store.set((state) => (state.logs ? { logs: { ...state.logs, query } } : {})),
    special: (key) => take(handlers, key),
  };
}

function swapInput(context: Context, form: SwapForm): Input {
  const handlers: Record<string, () => void> = {
    enter: () => askSwap(context, form),
    escape: () => goBack(context),
    down: () => moveChoice(context, form, 1),
    up: () => moveChoice(context, form, -1),
    tab: () => moveChoice(context, form, 1),
    'shift-tab': () => moveChoice(context, form, -1),
  };
  return {
    field: form.field,
    change: (field) => context.store.set({ swapForm: { ...form, field, choice: -1 } }),
    special: (key) => take(handlers, key),
  };
}

function rollbackInput(context: Context, form: RollbackForm): Input {
  const handlers: Record<string, () => void> = {
    enter: () => submitRollback(context, form),
    escape: () => goBack(context),
    down: () => selectTarget(context, form, 1),
    up: () => selectTarget(context, form, -1),
    tab: () => selectTarget(context, form, 1),
    'shift-tab': () => selectTarget(context, form, -1),
  };
  return {
    field: form.field,
    change: (field) => context.store.set({ rollbackForm: { ...form, field } }),
    special: (key) => take(handlers, key),
  };
}

function take(handlers: Record<string, () => void>, key: string): boolean {
  const handler = Object.hasOwn(handlers, key) ? handlers[key] : undefined;
  handler?.();
  return handler !== undefined;
}

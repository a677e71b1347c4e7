import { transferWords } from '../../device/transfer/words.ts';
import type { RevisionList, SwapPlan } from '../../shared/api/types.ts';
import { countKinds } from '../../shared/text/count-kinds.ts';
import { formatBytes } from '../../shared/text/format.ts';
import { sanitizeLine, sanitizeName } from '../../shared/text/sanitize.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { closeScreen, type Dialog, openScreen, type SwapForm, selectedComponent } from '../store/state.ts';
import { emptyField, fieldOf } from '../store/text-field.ts';
import { followSwap } from './progress.ts';

/** Asks which image shall replace the selected component. */
export async function openSwap(context: Context): Promise<void> {
  const { store } = context;
  const row = selectedComponent(store.get());
  if (!row) return;
  const tried = (store.get().imageHistory[row.name] ?? []).map((ref) => ({ ref, note: 'used before' }));
  const form: SwapForm = { component: row.name, current: row.image, field: emptyField, choices: tried, choice: -1 };
  store.set((state) => ({ swapForm: form, ...openScreen(state, 'swap') }));
  try {
    const [revisions, built] = await Promise.all([context.device.revisions(), context.device.imagesAtHand(row.name)]);
    const earlier = imagesOf(revisions, row.name, row.image);
    const atHand = built.map((ref) => ({ ref, note: 'built here' }));
    const choices = [...earlier, ...atHand, ...tried].filter(
      (choice, at, all) => all.findIndex((other) => other.ref === choice.ref) === at,
    );
    store.set((state) => (state.swapForm?.component === row.name ? { swapForm: { ...state.swapForm, choices } } : {}));
  } catch (error) {
    context.toast('error', `earlier images are unknown: ${errorText(error)}`);
  }
}

/** The images that `component` had in other revisions, newest first. */
export function imagesOf(list: RevisionList, component: string, current: string): SwapForm['choices'] {
  const choices = new Map<string, SwapForm['choices'][number]>();
  for (const revision of list.revisions) {
    const change = revision.changes.find((each) => each.name === component);
    const refused =
      revision.state === 'refused' ? { refused: sanitizeLine(revision.failure ?? '', { color: false }) } : {};
    const note = sanitizeLine(`revision ${revision.number}`, { color: false });
    for (const ref of [change?.to, change?.from]) {
      if (ref === undefined || ref === current || choices.has(ref)) continue;
      choices.set(
        ref,
        ref === change?.to
          ? { ref: sanitizeName(ref), note, ...refused }
          : { ref: sanitizeName(ref), note: `before ${note}` },
      );
    }
  }
  return [...choices.values()];
}

/** A key that moves between the text field and the choices. */
export function moveChoice(context: Context, form: SwapForm, by: 1 | -1): void {
  const choice = Math.min(form.choices.length - 1, Math.max(-1, form.choice + by));
  const chosen = form.choices[choice];
  context.store.set({ swapForm: { ...form, choice, field: chosen ? fieldOf(chosen.ref) : form.field } });
}

/** Says what will happen and asks for the last time. */
export function askSwap(context: Context, form: SwapForm): void {
  const image = form.field.text.trim();
  if (image === '') {
    context.toast('info', 'type an image: an OCI layout, a tar or a registry reference');
    return;
  }
  const refused = form.choices.find((choice) => choice.ref === image && choice.refused !== undefined);
  const retry = refused !== undefined;
  const dialog: Dialog = {
    title: `Swap ${form.component}?`,
    lines: [
      `${form.current} → ${image}`,
      'Sends what the device lacks, starts the new, checks its health and that of all that depend on it.',
      retry
        ? `This image was rolled back before: ${refused.refused || 'no reason is known'}`
        : `If it does not become healthy, ${form.current} runs again.`,
    ],
    choices: [
      { label: 'Cancel' },
      { label: retry ? 'Retry' : 'Swap', run: () => startSwap(context, form.component, image, retry) },
    ],
    selected: 0,
  };
  context.store.set({ dialog });
  void showPlan(context, dialog, form.component, image);
}

/** The device knows better what will happen; a dialog that is gone by then needs no answer. */
async function showPlan(context: Context, asked: Dialog, name: string, image: string): Promise<void> {
  const [title = '', , consequence = ''] = asked.lines;
  const update = (line: string, more: Partial<Dialog> = {}, last = consequence) =>
    context.store.set(({ dialog }) =>
      dialog?.choices === asked.choices ? { dialog: { ...dialog, lines: [title, line, last], ...more } } : {},
    );
  try {
    const plan = await context.device.planSwap([{ name, image }]);
    if (plan.refused === undefined) return update(planLine(plan));
    const retry = { label: 'Retry', run: () => startSwap(context, name, image, true) };
    const why = sanitizeLine(`Refused unless you insist: ${plan.refused}`, { color: false });
    // A key on its way was meant for the question as it was.
    update(planLine(plan), { choices: [{ label: 'Cancel' }, retry], selected: 0 }, why);
  } catch (error) {
    update(sanitizeLine(errorText(error), { color: false }));
  }
}

/** "Sends 1.2 MB, removes 5.0 MB of old images for it, replaces web (stop-start), see that web stays healthy." */
export function planLine({ send, transfer, frees, changes, restarts, steps }: SwapPlan): string {
  if (steps.length === 0) return 'Nothing to do: the device already is so.';
  const bytes = send.reduce((sum, image) => sum + image.bytes, 0);
  const strategies = changes.map(({ name, strategy }) => `${name} (${strategy})`).join(', ');
  const what = [
    bytes === 0 ? 'Sends nothing' : `Sends ${transfer ? transferWords(transfer) : formatBytes(bytes)}`,
    ...(frees.items.length === 0 ? [] : [`removes ${formatBytes(frees.bytes)} for it (${countKinds(frees.items)})`]),
    restarts.length === 0 ? `changes ${strategies}` : `replaces ${strategies}`,
    ...steps.filter(({ action }) => action === 'stable').map(({ text }) => text),
  ];
  return sanitizeLine(`${what.join(', ')}.`, { color: false });
}

function startSwap(context: Context, component: string, image: string, retry: boolean): void {
  context.store.set((state) => {
    const before = state.imageHistory[component] ?? [];
    const history = [image, ...before.filter((ref) => ref !== image)].slice(0, 20);
    return {
      imageHistory: { ...state.imageHistory, [component]: history },
      swapForm: undefined,
      ...closeScreen(state),
    };
  });
  void followSwap(context, `swap ${component} to ${image}`, () =>
    context.device.swap([{ name: component, image }], { retry }),
  );
}

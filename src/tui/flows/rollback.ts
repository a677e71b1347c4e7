import type { RevisionList, RollbackRequest } from '../../shared/api/types.ts';
import { sanitizeName } from '../../shared/text/sanitize.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { closeScreen, openScreen, type RollbackForm, selectedComponent } from '../store/state.ts';
import { emptyField } from '../store/text-field.ts';
import { followSwap } from './progress.ts';

type Target = RollbackForm['targets'][number];

/** Asks what to roll back: the selected component or the whole device. */
export async function openRollback(context: Context): Promise<void> {
  const name = selectedComponent(context.store.get())?.name;
  await openForm(context, (list) => [...(name === undefined ? [] : [componentTarget(list, name)]), deviceTarget(list)]);
}

/** Asks whether to go back to the revision that is selected in the list. */
export async function openRollbackTo(context: Context): Promise<void> {
  const { list, selected } = context.store.get().revisions;
  const number = list?.revisions[selected]?.number;
  if (number !== undefined) await openForm(context, (fresh) => [revisionTarget(fresh, number)]);
}

/** What rolling back `name` alone would change: the newest change of it in a revision that was in force. */
export function componentTarget(list: RevisionList, name: string): Target {
  const target = { label: `${name} only`, word: name, name };
  for (const revision of list.revisions) {
    if (revision.number > list.current || revision.state === 'refused') continue;
    const change = revision.changes.find((each) => each.name === name);
    if (change?.from !== undefined) return { ...target, changes: [arrow(name, change.to, change.from)] };
  }
  return { ...target, changes: [], unavailable: `${name} has had no other image` };
}

/** What going back to the previous revision would change. */
export function deviceTarget(list: RevisionList): Target {
  const target = { label: 'the whole device', word: 'device', changes: [] };
  if (list.previous === undefined) return { ...target, unavailable: 'there is no previous revision' };
  const current = list.revisions.find((revision) => revision.number === list.current);
  const label = `the whole device, to revision ${list.previous}`;
  return {
    ...target,
    label,
    changes: (current?.changes ?? []).map((change) => arrow(change.name, change.to, change.from)),
  };
}

export function revisionTarget(list: RevisionList, number: number): Target {
  const target = {
    label: `the whole device, to revision ${number}`,
    word: String(number),
    revision: number,
    changes: [],
  };
  return number === list.current ? { ...target, unavailable: `revision ${number} is in force` } : target;
}

/** Another target, or, with the word typed, the rollback itself. */
export function selectTarget(context: Context, form: RollbackForm, by: number): void {
  const selected = (form.selected + by + form.targets.length) % form.targets.length;
  context.store.set({ rollbackForm: { ...form, selected, field: emptyField } });
}

export function submitRollback(context: Context, form: RollbackForm): void {
  const target = form.targets[form.selected];
  if (!target) return;
  if (target.unavailable !== undefined) {
    context.toast('info', target.unavailable);
    return;
  }
  if (form.field.text.trim() !== target.word) {
    context.toast('info', `type ${target.word} to confirm`);
    return;
  }
  const request: RollbackRequest = {};
  if (target.name !== undefined) request.name = target.name;
  if (target.revision !== undefined) request.revision = target.revision;
  context.store.set((state) => ({ rollbackForm: undefined, ...closeScreen(state) }));
  void followSwap(context, `roll back ${target.label}`, () => context.device.rollback(request));
}

async function openForm(context: Context, targets: (list: RevisionList) => Target[]): Promise<void> {
  try {
    const list = await context.device.revisions();
    const form = { targets: targets(list), selected: 0, field: emptyField };
    context.store.set((state) => ({ rollbackForm: form, ...openScreen(state, 'rollback') }));
  } catch (error) {
    context.toast('error', `the revisions are unknown: ${errorText(error)}`);
  }
}

function arrow(name: string, from: string | undefined, to: string | undefined): string {
  return `${sanitizeName(name)}: ${sanitizeName(from ?? 'absent')} → ${sanitizeName(to ?? 'absent')}`;
}

import { changesBetween, describeChange } from '../../device/readings/revision-changes.ts';
import type { RevisionList, RollbackRequest } from '../../shared/api/types.ts';
import type { Revision } from '../../shared/definition/revision.ts';
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
  await openForm(context, async (list, read) => [
    ...(name === undefined ? [] : [await componentTarget(list, name, read)]),
    await deviceTarget(list, read),
  ]);
}

/** Asks whether to go back to the revision that is selected in the list. */
export async function openRollbackTo(context: Context): Promise<void> {
  const { list, selected } = context.store.get().revisions;
  const number = list?.revisions[selected]?.number;
  if (number !== undefined) await openForm(context, async (fresh, read) => [await revisionTarget(fresh, number, read)]);
}

type ReadRevision = (number: number) => Promise<Revision>;

/** What rolling back `name` alone would change: to what it was in the newest former revision where it differs. */
export async function componentTarget(list: RevisionList, name: string, read: ReadRevision): Promise<Target> {
  const target = { label: `${name} only`, word: name, name };
  const current = await read(list.current);
  const former = list.revisions
    .filter(({ number, state }) => number < list.current && (state === 'previous' || state === 'available'))
    .map(({ number }) => number);
  for (const number of former.toSorted((a, b) => b - a)) {
    const revision = await read(number);
    const change = changesBetween(current, revision).find((each) => each.name === name);
    if (change && Object.hasOwn(revision.components, name)) return { ...target, changes: [words(change)] };
  }
  return { ...target, changes: [], unavailable: `${name} has had no other image or configuration` };
}

/** What going back to the previous revision would change. */
export async function deviceTarget(list: RevisionList, read: ReadRevision): Promise<Target> {
  const target = { label: 'the whole device', word: 'device', changes: [] };
  const { current, previous } = list;
  if (previous === undefined) return { ...target, unavailable: 'there is no previous revision' };
  const label = `the whole device, to revision ${previous}`;
  return { ...target, label, changes: await changesTo(current, previous, read) };
}

export async function revisionTarget(list: RevisionList, number: number, read: ReadRevision): Promise<Target> {
  const target = {
    label: `the whole device, to revision ${number}`,
    word: String(number),
    revision: number,
    changes: [],
  };
  if (number === list.current) return { ...target, unavailable: `revision ${number} is in force` };
  if (list.revisions.find((each) => each.number === number)?.state === 'collected') {
    return { ...target, unavailable: `revision ${number} was removed to make room: it cannot be gone back to` };
  }
  return { ...target, changes: await changesTo(list.current, number, read) };
}

async function changesTo(from: number, to: number, read: ReadRevision): Promise<string[]> {
  return changesBetween(await read(from), await read(to)).map(words);
}

function words(change: Parameters<typeof describeChange>[0]): string {
  return sanitizeName(describeChange(change));
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

async function openForm(
  context: Context,
  targets: (list: RevisionList, read: ReadRevision) => Promise<Target[]>,
): Promise<void> {
  const { device, store } = context;
  const known = new Map<number, Promise<Revision>>();
  const read = (number: number) => {
    const revision = known.get(number) ?? device.revision(number);
    known.set(number, revision);
    return revision;
  };
  try {
    const form = { targets: await targets(await device.revisions(), read), selected: 0, field: emptyField };
    store.set((state) => ({ rollbackForm: form, ...openScreen(state, 'rollback') }));
  } catch (error) {
    context.toast('error', `the revisions are unknown: ${errorText(error)}`);
  }
}

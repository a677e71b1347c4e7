import type { RevisionList } from '../../shared/api/types.ts';
import { sanitizeLine, sanitizeName } from '../../shared/text/sanitize.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { documentHeight } from '../store/layout.ts';
import { openScreen } from '../store/state.ts';
import { moveIndex } from './select.ts';

/** Shows the revisions of the device, newest first. */
export async function openRevisions(context: Context): Promise<void> {
  const { store } = context;
  store.set((state) => ({ revisions: { selected: 0, list: state.revisions.list }, ...openScreen(state, 'revisions') }));
  try {
    const list = cleaned(await context.device.revisions());
    store.set({
      revisions: {
        list,
        selected: Math.max(
          0,
          list.revisions.findIndex((each) => each.number === list.current),
        ),
      },
    });
  } catch (error) {
    store.set((state) => ({ revisions: { ...state.revisions, error: errorText(error) } }));
  }
}

export function moveRevision(context: Context, key: string): void {
  const state = context.store.get();
  const count = state.revisions.list?.revisions.length ?? 0;
  const selected = moveIndex(state.revisions.selected, key, count, documentHeight(state));
  if (selected !== undefined) context.store.set({ revisions: { ...state.revisions, selected } });
}

function cleaned(list: RevisionList): RevisionList {
  const line = (text: string) => sanitizeLine(text, { color: false });
  return {
    ...list,
    revisions: list.revisions.map((revision) => ({
      ...revision,
      reason: line(revision.reason),
      createdAt: line(revision.createdAt),
      changes: revision.changes.map(({ name, from, to, fields }) => ({
        name: sanitizeName(name),
        ...(from === undefined ? {} : { from: sanitizeName(from) }),
        ...(to === undefined ? {} : { to: sanitizeName(to) }),
        ...(fields === undefined ? {} : { fields: fields.map(sanitizeName) }),
      })),
      ...(revision.failure === undefined ? {} : { failure: line(revision.failure) }),
    })),
  };
}

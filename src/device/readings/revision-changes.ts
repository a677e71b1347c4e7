import type { RevisionSummary } from '../../shared/api/types.ts';
import type { Revision } from '../../shared/definition/revision.ts';
import { diffRevisions } from '../diff-revisions.ts';

type Change = RevisionSummary['changes'][number];

/** "web: web:1 → web:2 (env)"; the settings that differ in brackets, alone when the image is the same. */
export function describeChange({ name, from, to, fields = [] }: Change): string {
  const settings = fields.join(', ');
  if (from === to && from !== undefined) return settings === '' ? name : `${name}: ${settings}`;
  return `${name}: ${from ?? 'none'} → ${to ?? 'none'}${settings === '' ? '' : ` (${settings})`}`;
}

/** What a revision changed, and why it is not in force any more. */
export function describeRevision({ factory, changes, state, failure }: RevisionSummary): string {
  const what = factory ? 'as composed' : changes.map(describeChange).join(', ');
  if (failure === undefined) return what;
  const why = state === 'refused' ? `rolled back: ${failure}` : failure;
  return what === '' ? why : `${what}; ${why}`;
}

/** What going from one revision to another changes, component by component. */
export function changesBetween(from: Revision, to: Revision): Change[] {
  const fields = new Map<string, string[]>();
  for (const { name, field } of diffRevisions(from, to)) {
    const setting = field?.replace(/^config\./, '');
    fields.set(name, [...(fields.get(name) ?? []), ...(setting === undefined || setting === 'image' ? [] : [setting])]);
  }
  return [...fields].map(([name, settings]) => {
    const [before, after] = [from.components[name]?.image.ref, to.components[name]?.image.ref];
    return {
      name,
      ...(before === undefined ? {} : { from: before }),
      ...(after === undefined ? {} : { to: after }),
      ...(settings.length === 0 ? {} : { fields: settings }),
    };
  });
}

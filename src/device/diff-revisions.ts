import { canonicalJson } from '../shared/canonical-json.ts';
import type { Revision } from '../shared/definition/revision.ts';

/** One difference. Without `field` the whole component was added (`to` is its image) or removed (`from`). */
export interface RevisionChange {
  name: string;
  /** `image`, `kind`, `order`, or `config.` and the name of a setting. */
  field?: string;
  from?: unknown;
  to?: unknown;
}

/** What changes from revision `a` to revision `b`, by component and field. */
export function diffRevisions(a: Revision, b: Revision): RevisionChange[] {
  const names = [...new Set([...Object.keys(a.components), ...Object.keys(b.components)])].sort();
  const components = names.flatMap((name): RevisionChange[] => {
    const before = a.components[name];
    const after = b.components[name];
    if (before === undefined) return after === undefined ? [] : [{ name, to: imageText(after.image) }];
    if (after === undefined) return [{ name, from: imageText(before.image) }];
    return diffFields(name, fieldsOf(before), fieldsOf(after));
  });
  return [...components, ...diffVolumes(a.volumes ?? {}, b.volumes ?? {})];
}

/** Volumes are told as `volume NAME`; what differs in one is how long its data live. */
function diffVolumes(a: NonNullable<Revision['volumes']>, b: NonNullable<Revision['volumes']>): RevisionChange[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort().flatMap((name): RevisionChange[] => {
    const [from, to] = [a[name]?.persistence, b[name]?.persistence];
    return from === to ? [] : [{ name: `volume ${name}`, ...(from && to ? { field: 'persistence' } : {}), from, to }];
  });
}

type Spec = Revision['components'][string];

function fieldsOf({ image, kind, order, config }: Spec): Map<string, unknown> {
  const settings = Object.entries(config).map(([key, value]): [string, unknown] => [`config.${key}`, value]);
  return new Map<string, unknown>([['image', imageText(image)], ['kind', kind], ['order', order], ...settings]);
}

function diffFields(name: string, before: Map<string, unknown>, after: Map<string, unknown>): RevisionChange[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((field) => text(before.get(field)) !== text(after.get(field)))
    .map((field) => ({ name, field, from: before.get(field), to: after.get(field) }));
}

/** The same name may mean another image: the digest decides. */
function imageText({ ref, digest }: Spec['image']): string {
  return `${ref} (${digest.slice(7, 19)})`;
}

function text(value: unknown): string | undefined {
  return value === undefined ? undefined : canonicalJson(value);
}

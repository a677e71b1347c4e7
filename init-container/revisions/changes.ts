import type { RevisionSummary } from '../../src/shared/api/types.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { shortDigest } from '../../src/shared/oci/digest.ts';

/** Names of the components that differ in anything. */
export function changedComponents(from: Revision, to: Revision): string[] {
  const names = new Set([...Object.keys(to.components), ...Object.keys(from.components)]);
  return [...names].filter(
    (name) => canonicalJson(from.components[name] ?? null) !== canonicalJson(to.components[name] ?? null),
  );
}

/** Names of the settings that differ. */
export function configFields(from: ComponentConfig, to: ComponentConfig): string[] {
  const [before, after] = [new Map(Object.entries(from)), new Map(Object.entries(to))];
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (field) => canonicalJson(before.get(field) ?? null) !== canonicalJson(after.get(field) ?? null),
  );
}

/** The differences in words people know; equal references of different images get a part of their digests. */
export function describeChanges(from: Revision, to: Revision): RevisionSummary['changes'] {
  return changedComponents(from, to).map((name) => {
    const before = from.components[name];
    const after = to.components[name];
    const fields = before && after ? configFields(before.config, after.config) : [];
    const more = fields.length > 0 ? { fields } : {};
    const same = before?.image.ref === after?.image.ref && before?.image.digest !== after?.image.digest;
    const text = (spec: typeof before) =>
      spec && (same ? `${spec.image.ref}@${shortDigest(spec.image.digest)}` : spec.image.ref);
    return { name, from: text(before), to: text(after), ...more };
  });
}

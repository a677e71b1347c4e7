import type { RevisionSummary } from '../../src/shared/api/types.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { shortDigest } from '../../src/shared/oci/digest.ts';

/** Names of the components that differ in anything. */
export function changedComponents(from: Revision, to: Revision): string[] {
  const names = new Set([...Object.keys(to.components), ...Object.keys(from.components)]);
  return [...names].filter(
    (name) => canonicalJson(from.components[name] ?? null) !== canonicalJson(to.components[name] ?? null),
  );
}

/** The differences in words people know; equal references of different images get a part of their digests. */
export function describeChanges(from: Revision, to: Revision): RevisionSummary['changes'] {
  return changedComponents(from, to).map((name) => {
    const before = from.components[name]?.image;
    const after = to.components[name]?.image;
    if (before?.ref !== after?.ref || before?.digest === after?.digest)
      return { name, from: before?.ref, to: after?.ref };
    const withDigest = (image: typeof before) => image && `${image.ref}@${shortDigest(image.digest)}`;
    return { name, from: withDigest(before), to: withDigest(after) };
  });
}
